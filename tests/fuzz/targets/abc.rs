//! ABC text through the reader, the performer, the writer and the transposer: nothing panics, and what is written is read
//! as the same tune.
#![no_main]

use earworm_abc::{self as abc, PerformOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = abc::decode(bytes);
    let book = abc::read(&text);
    for tune in &book.tunes {
        let performance = abc::perform(tune, &PerformOptions::default());
        assert!(performance.notes.iter().all(|note| note.key < 128));
        let written = abc::write(tune);
        let again = abc::read(&written);
        assert!(again.tunes.first().is_some_and(|again| abc::same(tune, again)), "{written}");
        let _ = abc::perform(&abc::transpose(tune, 5), &PerformOptions::melody_only());
    }
});
