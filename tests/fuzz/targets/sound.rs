//! Sound files through the decoder: nothing panics, and what comes out has a rate and channels.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The decoder reads files.
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    if let Ok(mut decoder) = earworm_audio::decode(file.path()) {
        while let Some(chunk) = decoder.next_chunk() {
            assert!(chunk.channels > 0 && chunk.sample_rate > 0);
        }
    }
});
