#![no_main]

#[allow(dead_code)]
#[path = "../../tests/it/fuzz_checks/mod.rs"]
mod fuzz_checks;
mod mutate;
#[path = "../../tests/it/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_checks::simulate::check(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate::json(data, size, max_size, seed) });
