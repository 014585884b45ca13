#![no_main]

#[allow(dead_code)]
#[path = "../../tests/it/fuzz_checks/mod.rs"]
mod fuzz_checks;
#[path = "../../tests/it/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_checks::resource::check(data));
