//! MIDI files through the reader and into ABC: nothing panics, and the ABC is read.
#![no_main]

use earworm_abc as abc;
use earworm_midi as midi;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(performance) = midi::read(bytes) {
        let written = midi::to_abc(&performance);
        assert!(!abc::read(&written).tunes.is_empty(), "{written}");
        let _ = midi::write(&performance);
    }
});
