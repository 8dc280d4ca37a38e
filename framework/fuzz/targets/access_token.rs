#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| spanbox::fuzzing::access_token(data));
