#![no_main]

#[allow(dead_code)]
#[path = "../../tests/it/checks/mod.rs"]
mod checks;
#[path = "../../tests/it/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::resource::check(data));
