//! Core: MIDI files: written from a performance, read into one, and turned into ABC.

mod abc;
mod find;
mod read;
mod repeats;
mod write;

pub use abc::to_abc;
pub use read::{MidiError, read};
pub use write::write;

/// The name of the track that holds the chords played from chord symbols; its text events are the
/// symbols. [`read`] knows them by it.
const ACCOMPANIMENT: &str = "Accompaniment";

/// A sequencer-specific event where a bar starts, for tunes with a pickup or with parts of a bar at their repeats,
/// of which metres know nothing. One alone, at the file's start, says that bars are where the metres put them.
/// 7D is the manufacturer's number for those who have none.
const BAR_STARTS: &[u8] = b"\x7dEarworm bar";

#[cfg(test)]
mod tests {
    use super::*;
    use earworm_abc::{self as abc, Length, PPQ, PerformOptions, Performance};

    fn performed(text: &str) -> Performance {
        abc::perform(&abc::read(text).tunes[0], &PerformOptions::default())
    }

    fn notes(performance: &Performance) -> Vec<(u32, u32, u8)> {
        let mut notes: Vec<_> =
            performance.notes.iter().map(|n| (n.start, n.duration, n.key)).collect();
        notes.sort_unstable();
        notes
    }

    /// A file of these tracks' events, each track's end added.
    fn file(format: u8, ppq: u16, tracks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"MThd\0\0\0\x06\0".to_vec();
        bytes.extend([format, 0, tracks.len() as u8]);
        bytes.extend(ppq.to_be_bytes());
        for track in tracks {
            bytes.extend(b"MTrk");
            bytes.extend((track.len() as u32 + 4).to_be_bytes());
            bytes.extend(*track);
            bytes.extend([0, 0xff, 0x2f, 0]);
        }
        bytes
    }

    /// Two quarter notes in running status, the second note ended by velocity 0, at 96 ticks a quarter.
    const RUNNING: &[u8] = &[0, 0x90, 60, 100, 96, 60, 0, 0, 64, 90, 96, 64, 0];

    #[test]
    fn running_status_and_velocity_zero_are_read() {
        let performance = read(&file(0, 96, &[RUNNING])).unwrap();
        assert_eq!(notes(&performance), [(0, PPQ, 60), (PPQ, PPQ, 64)]);
        assert_eq!(performance.tempos[0].microseconds_per_quarter, 500_000);
    }

    #[test]
    fn tracks_sound_together_in_format_1_and_one_after_the_other_in_format_2() {
        let together = read(&file(1, 96, &[RUNNING, RUNNING])).unwrap();
        assert_eq!(together.end, 2 * PPQ);
        let one_by_one = read(&file(2, 96, &[RUNNING, RUNNING])).unwrap();
        assert_eq!(one_by_one.end, 4 * PPQ);
        assert_eq!(one_by_one.notes[2].start, 2 * PPQ);
    }

    #[test]
    fn what_is_cut_short_or_counts_film_frames_is_refused() {
        let whole = file(1, 96, &[RUNNING, RUNNING]);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
        let mut frames = whole.clone();
        frames[12] = 0xe7;
        assert_eq!(read(&frames), Err(MidiError::Smpte));
        let mut timeless = whole;
        timeless[12..14].copy_from_slice(&[0, 0]);
        assert_eq!(read(&timeless), Err(MidiError::NoTicks));
    }

    #[test]
    fn a_note_that_never_ends_ends_with_its_track_and_that_is_said() {
        let performance = read(&file(0, 96, &[&[0, 0x90, 60, 100, 96, 0xc0, 5]])).unwrap();
        assert_eq!(notes(&performance), [(0, PPQ, 60)]);
        assert_eq!(performance.findings.len(), 1);
    }

    #[test]
    fn a_performance_written_and_read_is_the_same() {
        let performance = performed(
            "X:1\nT:All of it\nM:6/8\nL:1/8\nQ:3/8=100\nK:Gmin\n%%MIDI program 24\n\
             A|\"Gm\"GAB c2d|[Q:3/8=60][M:9/8]\"D7\"dcB AGF D3|[K:G]G6|]\n",
        );
        let again = read(&write(&performance)).unwrap();
        assert_eq!(notes(&again), notes(&performance));
        assert_eq!(again.title, "All of it");
        assert_eq!(again.tempos, performance.tempos);
        assert_eq!(again.metres, performance.metres);
        assert_eq!(again.end, performance.end);
        let starts = |p: &Performance| p.bars.iter().map(|bar| bar.start).collect::<Vec<_>>();
        assert_eq!(starts(&again), starts(&performance));
        let fifths =
            |p: &Performance| p.keys.iter().map(|k| (k.start, k.key.fifths())).collect::<Vec<_>>();
        assert_eq!(fifths(&again), fifths(&performance));
        let symbols = |p: &Performance| {
            p.chords.iter().map(|c| (c.start, c.symbol.clone())).collect::<Vec<_>>()
        };
        assert_eq!(symbols(&again), symbols(&performance));
    }

    #[test]
    fn written_music_keeps_its_notation_by_way_of_midi() {
        let text = "X:1\nT:Kept\nM:6/8\nL:1/8\nQ:3/8=100\nK:Edor\n\
            B| \"Em\"E2 B Bcd| (3efg a2 A>B| \"Em\"[EGB]3-[EGB]2 ^d| z3 e2|]\n";
        assert_eq!(to_abc(&read(&write(&performed(text))).unwrap()), text);
    }

    #[test]
    fn what_comes_twice_is_written_once_with_a_repeat_and_endings() {
        let text = "X:1\nT:Twice\nM:2/4\nL:1/8\nQ:1/4=100\nK:G\n\
            D| |:GABc| dBGB| cAFA| G2 D2:|\n\
            |:gfed| edcB| cBAG|1 F2 G2:|2 FD G2|]\n";
        let performance = performed(text);
        let again = to_abc(&read(&write(&performance)).unwrap());
        assert_eq!(
            again.split_once("K:G\n").unwrap().1,
            "D|:GA Bc| dB GB| cA FA| G2 D2::\ngf ed| ed cB| cB AG|1 F2 G2:|2 FD G2|]\n"
        );
        assert_eq!(notes(&performed(&again)), notes(&performance));
    }

    #[test]
    fn what_comes_twice_in_one_voice_only_is_written_out() {
        let text = "X:1\nT:Half\nM:2/4\nL:1/8\nK:C\nV:1\ncdef|gfed|cdef|g4|cdef|gfed|cdef|g4|]\n\
            V:2\nC4|D4|E4|F4|G4|A4|B4|c4|]\n";
        let performance = performed(text);
        let again = to_abc(&read(&write(&performance)).unwrap());
        assert!(!again.contains("|:") && !again.contains(":|"), "{again}");
        assert_eq!(notes(&performed(&again)), notes(&performance));
    }

    #[test]
    fn odd_tuplets_are_written_as_such() {
        let music =
            "(7:4:7c/d/e/f/g/a/b/ (5:4:5c/d/e/f/g/ (9:8:9c/4d/4e/4f/4g/4a/4b/4c'/4d'/4 c2|]\n";
        let text = format!("X:1\nT:Odd\nM:4/4\nL:1/8\nQ:1/4=100\nK:C\n{music}");
        let performance = performed(&text);
        let again = to_abc(&read(&write(&performance)).unwrap());
        for tuplet in ["(7:4:7", "(5:4:5", "(9:8:9"] {
            assert!(again.contains(tuplet), "{again}");
        }
        assert_eq!(notes(&performed(&again)), notes(&performance));
    }

    #[test]
    fn microtones_are_bent_in_the_file() {
        let bytes = write(&performed("X:1\nM:4/4\nL:1/4\nK:C\n^/C C4|]\n"));
        let file = midly::Smf::parse(&bytes).unwrap();
        let bends: Vec<i16> = file
            .tracks
            .iter()
            .flatten()
            .filter_map(|event| match event.kind {
                midly::TrackEventKind::Midi {
                    message: midly::MidiMessage::PitchBend { bend },
                    ..
                } => Some(bend.as_int()),
                _ => None,
            })
            .collect();
        // A quarter of the two semitones that a bend reaches, of 8,192 steps.
        assert_eq!(bends, [2048]);
    }

    #[test]
    fn voices_that_sound_together_stay_voices() {
        let text = "X:1\nT:Duet\nM:4/4\nL:1/4\nK:C\nV:1\nceg2|c4|]\nV:2 clef=bass\nC,2G,,2|C,4|]\n";
        let performance = performed(text);
        let again = performed(&to_abc(&read(&write(&performance)).unwrap()));
        assert_eq!(notes(&again), notes(&performance));
        let voices: Vec<u16> = again.notes.iter().map(|note| note.voice).collect();
        assert!(voices.contains(&0) && voices.contains(&1));
    }

    #[test]
    fn music_as_it_was_played_is_brought_to_the_grid() {
        let written = performed(
            "X:1\nT:Played\nM:4/4\nL:1/8\nK:G\nG2BG dGBd|edcB A2D2|GABc dedB|c2A2 G4|]\n",
        );
        let mut played = written.clone();
        played.bars.clear();
        for (index, note) in played.notes.iter_mut().enumerate() {
            // A few ticks early or late, and each note let go a little too soon.
            let index = index as u32;
            note.start += index * 7919 % 23;
            note.duration -= 30 + index * 104_729 % 31;
        }
        let again = performed(&to_abc(&read(&write(&played)).unwrap()));
        let onsets = |p: &Performance| p.notes.iter().map(|n| (n.start, n.key)).collect::<Vec<_>>();
        assert_eq!(onsets(&again), onsets(&written));
        assert_eq!(notes(&again), notes(&written));
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic() {
        let whole = write(&performed("X:1\nT:Any\nM:4/4\nL:1/8\nK:C\n\"C\"C>D (3EFG [CEG]2|]\n"));
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..2_000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(4) {
                let at = 8 + random(bytes.len() - 8);
                bytes[at] = random(256) as u8;
            }
            if let Ok(performance) = read(&bytes) {
                let text = to_abc(&performance);
                assert_eq!(abc::read(&text).tunes.len(), 1, "{text}");
            }
        }
    }

    #[test]
    fn a_length_that_no_note_has_is_written_as_tied_ones() {
        let text = to_abc(&performed("X:1\nT:Five\nM:6/8\nL:1/8\nK:C\nC5D|]\n"));
        assert!(text.contains("C3-C2 D|]"), "{text}");
        assert_eq!(Length::new(5, 8).ticks(), notes(&performed(&text))[0].1);
    }
}
