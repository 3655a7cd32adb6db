//! Core: MIDI files: written from a performance, read into one, and turned into ABC.

mod abc;
mod events;
mod file;
mod find;
mod read;
mod repeats;
mod tempos;
mod write;

pub use abc::{left_out_of_abc, to_abc};
pub use read::{MidiError, read};
pub use write::{left_out_of_midi, wrapped, write};

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
    fn a_file_that_is_cut_anywhere_gives_the_notes_that_are_there_and_says_so_or_is_refused() {
        let whole = file(1, 96, &[RUNNING, RUNNING]);
        let all = notes(&read(&whole).unwrap());
        for length in 0..whole.len() {
            match read(&whole[..length]) {
                Ok(cut) => {
                    assert!(!cut.findings.is_empty(), "{length} bytes");
                    assert!(!cut.notes.is_empty(), "{length} bytes");
                    assert!(notes(&cut).iter().all(|note| all.contains(note)), "{length} bytes");
                }
                // The first note ends with byte 28.
                Err(error) => assert!(length < 29, "{length} bytes: {error}"),
            }
        }
        let but_the_last = read(&whole[..whole.len() - 1]).unwrap();
        assert_eq!(notes(&but_the_last), all);
        // What is wrapped says its length twice; nobody has to guess.
        let wrapped = wrapped(&whole);
        assert_eq!(notes(&read(&wrapped).unwrap()), all);
        for length in 0..wrapped.len() - wrapped.len() % 2 {
            let read = read(&wrapped[..length]);
            assert!(matches!(read, Err(MidiError::Truncated(_) | MidiError::NotMidi)), "{length}");
        }
    }

    #[test]
    fn times_in_frames_of_film_or_in_nothing_are_refused() {
        let whole = file(1, 96, &[RUNNING, RUNNING]);
        let mut frames = whole.clone();
        frames[12] = 0xe7;
        assert_eq!(read(&frames), Err(MidiError::Smpte));
        let mut timeless = whole;
        timeless[12..14].copy_from_slice(&[0, 0]);
        assert_eq!(read(&timeless), Err(MidiError::NoTicks));
    }

    #[test]
    fn a_track_goes_on_after_what_is_not_by_the_book() {
        let first: &[u8] = &[0, 0x90, 60, 100, 96, 60, 0];
        let then: &[u8] = &[0, 64, 90, 96, 64, 0];
        for between in [
            // A meta event, a system exclusive one and its continuation, after which running status goes on.
            &[0, 0xff, 1, 1, b'A'][..],
            &[0, 0xff, 0x7f, 2, 0, 0],
            &[0, 0xf0, 3, 0x7d, 1, 0xf7],
            &[0, 0xf7, 1, 0xf8],
            // Real time and other messages that belong on a cable.
            &[0, 0xf8],
            &[0, 0xfe, 0, 0xfa],
            &[0, 0xf1, 3],
            &[0, 0xf2, 3, 4, 0, 0xf6],
            // A length of more bytes than it needs.
            &[0x80, 0x80, 0x80, 0x80, 0x00, 0xff, 1, 0x80, 0],
        ] {
            let performance = read(&file(0, 96, &[&[first, between, then].concat()])).unwrap();
            assert_eq!(notes(&performance), [(0, PPQ, 60), (PPQ, PPQ, 64)], "{between:x?}");
            assert_eq!(performance.findings, [], "{between:x?}");
        }
        // A loudness over 127 is as loud as there is, and said.
        let loud = read(&file(0, 96, &[&[0, 0x90, 60, 0x85, 96, 0x80, 60, 64]])).unwrap();
        assert_eq!((notes(&loud), loud.notes[0].velocity), (vec![(0, PPQ, 60)], 127));
        assert_eq!(loud.findings.len(), 1);
    }

    #[test]
    fn what_can_t_be_read_of_a_track_is_left_out_and_said_and_the_next_track_is_read() {
        let no_status: &[u8] = &[0, 60, 100, 96, 60, 0];
        let too_long: &[u8] = &[0, 0x90, 62, 100, 96, 62, 0, 0, 0xff, 1, 100, b'a'];
        let performance = read(&file(1, 96, &[no_status, too_long, RUNNING])).unwrap();
        assert_eq!(notes(&performance), [(0, PPQ, 60), (0, PPQ, 62), (PPQ, PPQ, 64)]);
        let told: Vec<&str> = performance.findings.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(
            told,
            [
                "track 1 can't be read to its end: no event starts at its last 10 bytes",
                "track 2 can't be read to its end: an event is cut off at its last 9 bytes",
            ]
        );
    }

    #[test]
    fn tracks_are_found_where_their_lengths_are_wrong_or_something_lies_between() {
        let whole = file(1, 96, &[RUNNING, RUNNING]);
        let expected = notes(&read(&whole).unwrap());
        let (first, second) = (14, 14 + 8 + RUNNING.len() + 4);
        let with = |at: usize, length: u32| {
            let mut bytes = whole.clone();
            bytes[at + 4..at + 8].copy_from_slice(&length.to_be_bytes());
            bytes
        };
        for bytes in
            [with(first, 0), with(first, 5), with(first, 18), with(second, 0), with(second, 9)]
        {
            assert_eq!(notes(&read(&bytes).unwrap()), expected, "{bytes:x?}");
        }
        // One that is too long would take the next track along.
        for length in [20, 30, u32::MAX] {
            assert_eq!(notes(&read(&with(first, length)).unwrap()), expected, "{length}");
        }
        for stray in [&[0x85, 1, 2][..], &[0], b"XFIH\0\0\0\x02ab", b"junk", b"junk and more of it"]
        {
            let mut bytes = whole.clone();
            bytes.splice(second..second, stray.iter().copied());
            bytes.extend(stray);
            assert_eq!(notes(&read(&bytes).unwrap()), expected, "{stray:x?}");
        }
        // An old program's header before the file, and a header that is longer than it needs to be.
        let mut bytes = vec![0; 128];
        bytes.extend(&whole);
        assert_eq!(notes(&read(&bytes).unwrap()), expected);
        let mut bytes = whole;
        bytes[7] = 8;
        bytes.splice(14..14, [0, 0]);
        assert_eq!(notes(&read(&bytes).unwrap()), expected);
    }

    #[test]
    fn the_sustain_pedal_holds_notes_until_it_is_up_or_they_are_struck_again() {
        let track: &[u8] = &[
            0, 0xb0, 64, 127, 0, 0x90, 60, 90, 48, 60, 0, 48, 60, 90, 48, 60, 0, 0, 64, 90, 48, 64,
            0, 96, 0xb0, 64, 0, 0, 0x90, 67, 90, 96, 67, 0,
        ];
        let performance = read(&file(0, 96, &[track])).unwrap();
        let half = PPQ / 2;
        assert_eq!(
            notes(&performance),
            [
                (0, 2 * half, 60),
                (2 * half, 4 * half, 60),
                (3 * half, 3 * half, 64),
                (6 * half, 2 * half, 67)
            ]
        );
        // One that is never up holds them no longer than there is music.
        let mut held = track[..4].to_vec();
        held.extend([0, 0x90, 60, 90, 48, 60, 0, 0, 62, 90, 48, 62, 0, 0xbf, 0x40, 0xff, 1, 0]);
        let performance = read(&file(0, 96, &[&held])).unwrap();
        assert_eq!(notes(&performance), [(0, PPQ, 60), (half, half, 62)]);
    }

    #[test]
    fn bends_are_read_in_the_range_that_the_file_says() {
        // A bend of a quarter of the range, before and after that is set to twelve semitones.
        let track: &[u8] = &[
            0, 0xe0, 0, 80, 0, 0xb0, 101, 0, 0, 100, 0, 0, 6, 12, 0, 0xe0, 0, 80, 0, 0x90, 60, 90,
            96, 60, 0,
        ];
        let performance = read(&file(0, 96, &[track])).unwrap();
        assert_eq!(performance.bends.iter().map(|bend| bend.cents).collect::<Vec<_>>(), [50, 300]);
    }

    /// Quarter notes on C, D and so on, as foreign programs write them: without where the bars are.
    fn scale(keys: &[u8]) -> Vec<u8> {
        keys.iter().flat_map(|&key| [0, 0x90, key, 90, 96, key, 0]).collect()
    }

    const KEYS: &[u8] = &[60, 62, 64, 65, 67, 69, 71, 72];

    /// 4/4, as an event of a file.
    const FOUR: &[u8] = &[0, 0xff, 0x58, 4, 4, 2, 24, 8];

    /// The music of a file as ABC, after K:.
    fn music(bytes: &[u8]) -> String {
        let text = to_abc(&read(bytes).unwrap());
        let (_, music) = text.split_once("\nK:").unwrap();
        music.split_once('\n').unwrap().1.to_owned()
    }

    #[test]
    fn notes_too_short_to_be_written_are_given_a_length_and_make_no_second_voice() {
        let plain = music(&file(0, 96, &[&[FOUR, &scale(KEYS)].concat()]));
        for blip in [
            // No ticks, one, two; alone, in a chord, and with the key that starts there anyway.
            &[0, 0x90, 72, 90, 0, 72, 0, 0, 60, 90, 96, 60, 0][..],
            &[0, 0x90, 60, 90, 0, 60, 0, 0, 60, 90, 96, 60, 0],
            &[0, 0x90, 72, 90, 0, 60, 90, 2, 72, 0, 94, 60, 0],
        ] {
            let text = music(&file(0, 96, &[&[FOUR, &scale(KEYS), blip].concat()]));
            assert!(text.starts_with(plain.trim_end_matches("|]\n")), "{text}");
            assert!(!text.contains("V:2") && !text.contains("/480"), "{text}");
        }
        // One alone is no longer than a 16th.
        let alone: &[u8] = &[0, 0x90, 72, 90, 1, 72, 0, 95, 60, 90, 96, 60, 0];
        let text = music(&file(0, 96, &[&[FOUR, &scale(KEYS), alone].concat()]));
        assert!(text.ends_with("| c/z3/2 C2|]\n"), "{text}");
        // Drums that are struck and let go at once are written to the next.
        let drums: Vec<u8> = (0..8)
            .flat_map(|_| [0, 0x99, 38, 90, 0, 38, 0, 48, 0x99, 42, 90, 1, 42, 0, 47, 0xff, 1, 0])
            .collect();
        let text = to_abc(&read(&file(0, 96, &[&drums])).unwrap());
        assert!(text.contains("K:C\n%%MIDI channel 10\nD,,z^F,,zD,,zF,,z D"), "{text}");
        assert!(!text.contains("V:2"), "{text}");
    }

    #[test]
    fn equal_tempos_and_metres_are_written_once() {
        let tempo: &[u8] = &[0, 0xff, 0x51, 3, 7, 0xa1, 0x20];
        let mut track = Vec::new();
        for keys in KEYS.chunks(2) {
            track.extend([FOUR, tempo, &scale(keys)].concat());
        }
        let text = to_abc(&read(&file(0, 96, &[&track])).unwrap());
        assert_eq!(text.matches("Q:").count(), 1, "{text}");
        assert_eq!(text.matches("M:").count(), 1, "{text}");
    }

    #[test]
    fn a_tempo_that_changes_within_a_note_or_a_rest_parts_it_there() {
        let tempos: &[u8] =
            &[0, 0xff, 0x51, 3, 7, 0xa1, 0x20, 0x81, 0x40, 0xff, 0x51, 3, 0x0f, 0x42, 0x40];
        let long: &[u8] = &[0, 0x90, 60, 90, 0x83, 0, 60, 0];
        let rest: &[u8] = &[0, 0x90, 60, 90, 96, 60, 0, 0x82, 0x20, 62, 90, 96, 62, 0];
        for (notes, written) in [(long, "C2- [Q:1/4=60]C2"), (rest, "C z [Q:1/4=60]z2")] {
            let given = read(&file(1, 96, &[tempos, notes])).unwrap();
            let text = to_abc(&given);
            assert!(text.contains(written), "{text}");
            let again = performed(&text);
            assert_eq!(again.tempos, given.tempos);
        }
    }

    #[test]
    fn a_short_first_metre_of_one_bar_is_a_pickup() {
        let one: &[u8] = &[0, 0xff, 0x58, 4, 1, 2, 24, 8];
        let track = [one, &scale(&[67]), FOUR, &scale(KEYS)].concat();
        let text = to_abc(&read(&file(0, 96, &[&track])).unwrap());
        assert!(text.contains("M:4/4\n") && text.contains("\nG| C D E F| G A B c|]\n"), "{text}");
    }

    #[test]
    fn a_score_ends_with_the_bar_of_its_last_note_however_long_its_tracks_are() {
        let mut padded = [FOUR, &scale(&KEYS[..6])].concat();
        padded.extend([0xbf, 0x40, 0xff, 1, 0]);
        let late: &[u8] = &[0x8f, 0x40, 0xff, 0x51, 3, 7, 0xa1, 0x20];
        let text = music(&file(1, 96, &[late, &padded]));
        assert_eq!(text, "C D E F| G A z2|]\n");
    }

    #[test]
    fn bars_of_rest_are_counted_and_not_repeated() {
        // Eight bars of rest before, between and in the middle of nothing else that comes twice.
        let mut track = FOUR.to_vec();
        for keys in [&KEYS[..4], &KEYS[4..]] {
            let mut notes = scale(keys);
            // 8 bars of 384 ticks.
            notes.splice(..1, [0x98, 0x00]);
            track.extend(notes);
        }
        assert_eq!(music(&file(0, 96, &[&track])), "Z8| C D E F| Z8| G A B c|]\n");
    }

    #[test]
    fn what_is_written_is_read_again_at_both_ends_of_what_there_is() {
        for micros in [1u32, 599, 601, 333_333, 1_000_000, 16_777_215] {
            let tempo = [&[0, 0xff, 0x51, 3][..], &micros.to_be_bytes()[1..]].concat();
            let keys: Vec<u8> = (0..12).chain(116..128).collect();
            let given = read(&file(0, 96, &[&[&tempo, &scale(&keys)[..]].concat()])).unwrap();
            let text = to_abc(&given);
            let book = abc::read(&text);
            assert_eq!(book.findings, [], "{text}");
            let again = abc::perform(&book.tunes[0], &PerformOptions::default());
            assert_eq!(notes(&again), notes(&given), "{text}");
            let heard = again.tempos[0].microseconds_per_quarter;
            assert!(heard.abs_diff(micros) <= 1.max(micros / 1_000_000), "{heard} for {micros}");
        }
    }

    #[test]
    fn voice_names_and_instruments_are_in_the_file_and_come_back() {
        let text = "X:1\nT:Duet\nM:4/4\nL:1/4\nK:C\nV:1 name=\"Flute\"\n%%MIDI program 73\nceg2|c4|]\n\
            V:2 clef=bass name=\"Bassoon\"\nC,2G,,2|C,4|]\n";
        let mut duet = performed(text);
        duet.voice_names = vec!["Flute".to_owned(), "Bassoon".to_owned()];
        let given = read(&write(&duet)).unwrap();
        assert_eq!(given.title, "Duet");
        assert_eq!(given.voice_names, ["Flute", "Bassoon"]);
        // The second voice has none of its own, which is said too.
        let programs: Vec<u8> = given.programs.iter().map(|program| program.program).collect();
        assert_eq!(
            (programs.len(), programs.contains(&73), programs.contains(&0)),
            (2, true, true)
        );
        let again = to_abc(&given);
        assert!(
            again.contains("V:1 name=\"Flute\"\n") && again.contains("name=\"Bassoon\""),
            "{again}"
        );
        // Without a title the first voice's name is none.
        let untitled = Performance { title: String::new(), ..duet };
        assert_eq!(read(&write(&untitled)).unwrap().title, "");
    }

    #[test]
    fn what_a_voice_plays_beside_itself_has_the_instrument_of_the_voice() {
        let overlaid = performed(
            "X:1\nM:4/4\nL:1/4\nK:C\n%%MIDI program 73\nc4&E4|[I:MIDI program 40]c4&E4|]\n",
        );
        let given = read(&write(&overlaid)).unwrap();
        for note in &given.notes {
            let mut played =
                given.programs.iter().filter(|program| program.channel == note.channel);
            let sounding = played.rfind(|program| program.start <= note.start).unwrap();
            assert_eq!(sounding.program, if note.start < 4 * PPQ { 73 } else { 40 });
        }
    }

    #[test]
    fn lyrics_are_written_under_their_notes_whatever_file_they_come_from() {
        let syllable = |text: &str| [&[0, 0xff, 5, text.len() as u8], text.as_bytes()].concat();
        let sung = |texts: &[&str]| {
            let notes = texts.iter().zip(KEYS).map(|(text, &key)| match *text {
                "" => scale(&[key]),
                text => [syllable(text), scale(&[key])].concat(),
            });
            let track = [FOUR.to_vec(), notes.flatten().collect()].concat();
            music(&file(0, 96, &[&track]))
        };
        let hymn = "C D E F|]\nw: Hal-le-lu-jah\n";
        assert_eq!(sung(&["Hal-", "le-", "lu-", "jah "]), hymn);
        assert_eq!(sung(&["\\Hal", "le", "lu", "jah"]), "C D E F|]\nw: Hal le lu jah\n");
        assert_eq!(sung(&["Go", "", "a-_b", "|*"]), "C D E F|]\nw: Go * a\\-~b ~~\n");
        let words = sung(&["/One", " two", " six", "teen", "\\Al", "so", " here"]);
        assert_eq!(words, "C D E F| G A B|]\nw: One two six-teen Al-so here\n");
        // A file of karaoke has its texts in a track of their own.
        let mut words = b"\0\xff\x03\x05Words\0\xff\x01\x05@LENG".to_vec();
        for text in ["\\Hal", "le", "lu", "jah ", "a", "men"] {
            words.extend([&[0, 0xff, 1, text.len() as u8], text.as_bytes()].concat());
            words.extend([96, 0xff, 1, 0]);
        }
        let melody = [FOUR, &scale(&KEYS[..6])].concat();
        let text = music(&file(1, 96, &[&words, &scale(&[36]), &melody]));
        assert!(
            text.contains("w: Hal-le-lu-jah\n") || text.contains("w: Hal-le-lu-jah a-men\n"),
            "{text}"
        );
    }

    #[test]
    fn a_tempo_too_slow_for_midi_is_said() {
        let slow = performed("X:1\nT:Slow\nM:4/4\nL:1/4\nQ:1/4=1\nK:C\nC|]\n");
        assert_eq!(slow.tempos[0].microseconds_per_quarter, 60_000_000);
        assert_eq!(left_out_of_midi(&slow).len(), 1);
        assert_eq!(left_out_of_midi(&performed("X:1\nK:C\nC|]\n")), []);
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

    #[test]
    fn a_title_comes_back_as_it_was_however_often_it_goes_through_midi() {
        for title in ["50 % \\ of \\'e", "&amp; back\\\\slash", "Café 100%"] {
            let performance =
                Performance { title: title.to_owned(), ..performed("X:1\nK:C\nC|\n") };
            let mut performance = performance;
            for _ in 0..3 {
                let text = to_abc(&performance);
                performance = abc::perform(&abc::read(&text).tunes[0], &PerformOptions::default());
                assert_eq!(performance.title, title, "{text}");
            }
        }
    }

    #[test]
    fn an_accompaniment_without_a_melody_is_written_as_its_chords_or_else_as_notes() {
        let chords = performed("X:1\nT:Vamp\nM:4/4\nL:1/4\nK:C\n\"C\"z2\"G7\"z2|\"C\"z4|]\n");
        assert!(!chords.notes.is_empty() && chords.notes.iter().all(|note| note.accompaniment));
        for given in [chords.clone(), read(&write(&chords)).unwrap()] {
            let text = to_abc(&given);
            assert!(text.contains("\"C\"z2 \"G7\"z2|") && text.contains("\"C\"z4"), "{text}");
            assert_eq!(notes(&performed(&text)), notes(&chords), "{text}");
        }
        // Another program's track that bears the name, without chord symbols.
        let track = [b"\0\xff\x03\x0dAccompaniment", FOUR, &scale(KEYS)].concat();
        let given = read(&file(0, 96, &[&track])).unwrap();
        assert!(given.notes.iter().all(|note| note.accompaniment));
        assert_eq!(notes(&performed(&to_abc(&given))), notes(&given));
    }

    #[test]
    fn rests_of_thousands_of_beats_are_written_in_parts_that_can_be_read() {
        // Bars are known, so that what comes after the last line is one long bar.
        for (beats, odd) in [(20_000, 0), (20_000, 7), (300, 160)] {
            let mut given = performed("X:1\nT:Long\nM:4/4\nL:1/8\nK:C\nCDEF|CDEF|]\n");
            let last = given.notes.last_mut().unwrap();
            last.start += beats * PPQ + odd;
            given.end = last.start + last.duration;
            let text = to_abc(&given);
            let book = abc::read(&text);
            // That the bar is long is said, but nothing is cut.
            assert!(
                book.findings.iter().all(|f| f.severity != earworm_abc::Severity::Error),
                "{text}"
            );
            let again = abc::perform(&book.tunes[0], &PerformOptions::default());
            assert_eq!(notes(&again), notes(&given), "{text}");
        }
    }

    #[test]
    fn controllers_are_written() {
        let bytes = write(&performed("X:1\n%%MIDI control 7 35\nK:C\nC4|\n"));
        assert!(bytes.windows(3).any(|event| event == [0xB0, 7, 35]));
    }
}
