#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| spanbox::fuzzing::idempotency_key(data));
