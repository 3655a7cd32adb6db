//! Interface: what a user of the `earworm` program notices, through the program itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use earworm_abc as abc;
use earworm_midi as midi;

/// A tune with most of what notation has.
const TUNE: &str = "X:1\nT:The Test of Time\nM:6/8\nL:1/8\nQ:3/8=120\nK:Edor\n\
    |:\"Em\"E2B \"D\"{e}d>cA|~B3 (3ABcd|1 \"Em\"E3 E2D:|2 \"Em\"E6|]\n";

/// Two tunes in one book.
const BOOK: &str =
    "X:3\nT:One\nM:4/4\nL:1/4\nK:C\nCDEF|G4|]\n\nX:7\nT:Other\nM:3/4\nL:1/4\nK:G\nGAB|c3|]\n";

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the program in this folder.
    fn earworm(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_earworm"))
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code 2, nothing on standard output, and one line on standard error, which is returned.
#[track_caller]
fn refused(output: &Output) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("earworm: "), "{told}");
    told
}

#[track_caller]
fn done(output: &Output) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told, "");
    text(&output.stdout)
}

fn notes(path: &Path) -> Vec<(u32, u32, u8)> {
    let performance = midi::read(&std::fs::read(path).unwrap()).unwrap();
    let mut notes: Vec<_> =
        performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
    notes.sort_unstable();
    notes
}

#[test]
fn bad_input_gets_one_line_that_names_it_and_leaves_nothing_behind() {
    let room = Room::new();
    room.with("empty.abc", "");
    room.with("prose.abc", "Nothing here is a tune.\n");
    room.with("header.abc", "X:1\nT:No music\nK:C\n");
    room.with("text.mid", TUNE);
    room.with("text.wav", TUNE);
    room.with("silent.wav", "");
    room.with("good.abc", TUNE);
    room.with("other.txt", TUNE);
    std::fs::create_dir(room.path("folder.abc")).unwrap();
    done(&room.earworm(&["convert", "good.abc", "good.mid"]));
    let midi = std::fs::read(room.path("good.mid")).unwrap();
    room.with("cut.mid", &midi[..40]);
    room.with("start.mid", &midi[..10]);
    let mut smpte = midi.clone();
    smpte[12..14].copy_from_slice(&[0xe7, 0x28]);
    room.with("smpte.mid", &smpte);
    std::fs::create_dir(room.path("folder")).unwrap();
    let before = room.names();
    let cases: [(&[&str], &str); 32] = [
        (&["convert", "missing.abc", "out.mid"], "missing.abc: no such file"),
        (&["convert", "missing.mid", "out.abc"], "missing.mid: no such file"),
        (&["convert", "empty.abc", "out.mid"], "empty.abc: there is no tune"),
        (&["convert", "prose.abc", "out.wav"], "prose.abc: there is no tune"),
        (&["convert", "header.abc", "out.mid"], "no notes"),
        (&["convert", "text.mid", "out.abc"], "text.mid: not a MIDI file"),
        (&["convert", "cut.mid", "out.abc"], "cut.mid: the MIDI file is cut short"),
        (&["convert", "start.mid", "out.abc"], "start.mid: the MIDI file is cut short"),
        (&["convert", "smpte.mid", "out.abc"], "SMPTE"),
        (&["convert", "folder.abc", "out.mid"], "folder.abc: is a folder"),
        (&["convert", "good.abc", "out.ogg"], "out.ogg: the extension"),
        (&["convert", "good.abc", "nowhere/out.mid"], "nowhere/out.mid: no such file or folder"),
        (&["convert", "good.abc", "folder.abc"], "folder.abc: is a folder"),
        (&["convert", "other.txt", "out.mid"], "other.txt: the extension"),
        (&["convert", "text.wav", "out.mid"], "text.wav: audio"),
        (&["convert", "--tune", "9", "good.abc", "out.mid"], "number 9"),
        (&["convert", "--transpose", "99", "good.abc", "out.mid"], "99"),
        (&["convert", "good.abc"], "<OUT>"),
        (&["check", "missing.abc"], "missing.abc: no such file"),
        (&["check", "empty.abc"], "empty.abc: there is no tune"),
        (&["classify", "missing.wav"], "missing.wav"),
        (&["classify", "text.wav"], "text.wav"),
        (&["classify", "silent.wav"], "silent.wav"),
        (&["dance"], "dance"),
        (&["convert", "folder", "out.mid"], "folder: is a folder"),
        (&["convert", "good.abc", "folder"], "folder: is a folder"),
        (&["convert", "good.abc", "-"], "--to"),
        (&["convert", "good.abc", "out.mid", "--to", "ogg"], "ogg"),
        (&["check", "folder"], "folder: is a folder"),
        (&["fmt", "prose.abc"], "prose.abc: there is no tune"),
        (&["manual", "dance"], "dance: is no command"),
        (&["completions", "dos"], "dos"),
    ];
    for (args, part) in cases {
        let told = refused(&room.earworm(args));
        assert!(told.contains(part), "{args:?}: {told}");
    }
    assert_eq!(room.names(), before);
}

#[test]
fn an_impossible_wish_for_a_tune_is_refused_before_anything_is_written() {
    let room = Room::new();
    for (args, part) in [
        (&["generate", "--style", "tango"][..], "tango"),
        (&["generate", "--key", "H"], "`H`"),
        (&["generate", "--key", "none"], "none"),
        (&["generate", "--metre", "7/9"], "7/9"),
        (&["generate", "--style", "waltz", "--metre", "4/4"], "4/4"),
        (&["generate", "--bars", "100000"], "100000"),
        (&["generate", "--bars", "-1"], "-1"),
        (&["generate", "--temperature", "NaN"], "temperature"),
        (&["generate", "--temperature", "-2"], "-2"),
        (&["generate", "--top-p", "0"], "top-p"),
        (&["generate", "--seed", "many"], "many"),
        (&["generate", "--seed", "-1"], "'-1' for '--seed <SEED>': a whole number"),
        (&["generate", "--bars", "-4"], "'-4' for '--bars <BARS>': 4 to 64"),
        (&["generate", "--bars", "3"], "4 to 64"),
        (&["generate", "-o", "tune.ogg"], "tune.ogg"),
        (&["generate", "--style", "tango", "-o", "tune.mid"], "tango"),
    ] {
        let told = refused(&room.earworm(args));
        assert!(told.contains(part), "{args:?}: {told}");
    }
    assert_eq!(room.names(), Vec::<String>::new());
}

#[test]
fn weights_from_a_file_are_used_and_those_that_do_not_fit_are_refused() {
    let room = Room::new();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let (genre, tunes) = (models.join("genre.safetensors"), models.join("tunes.safetensors"));
    let (genre, tunes) = (genre.to_str().unwrap(), tunes.to_str().unwrap());
    let seed = ["generate", "--seed", "5", "--bars", "8"];
    let built_in = done(&room.earworm(&seed));
    assert_eq!(done(&room.earworm(&[&seed[..], &["--weights", tunes]].concat())), built_in);
    let told = refused(&room.earworm(&[&seed[..], &["--weights", genre]].concat()));
    assert!(told.contains("the weights of the genre network"), "{told}");
    room.with("cut.safetensors", &std::fs::read(tunes).unwrap()[..1000]);
    for path in ["cut.safetensors", "absent.safetensors"] {
        let told = refused(&room.earworm(&[&seed[..], &["--weights", path]].concat()));
        assert!(told.contains(path), "{told}");
        let told = refused(&room.earworm(&["classify", "song.wav", "--weights", path]));
        assert!(told.contains(path), "{told}");
    }
    let told = refused(&room.earworm(&["classify", "song.wav", "--weights", tunes]));
    assert!(told.contains("the weights of the tune network"), "{told}");
}

#[test]
fn the_same_seed_and_flags_give_the_same_bytes_in_every_format() {
    let room = Room::new();
    let flags =
        ["generate", "--style", "jig", "--key", "Ador", "--bars", "8", "--seed", "11", "--chords"];
    let printed = done(&room.earworm(&flags));
    for take in ["a", "b"] {
        let files = ["abc", "mid", "wav"].map(|kind| format!("{take}.{kind}"));
        let mut args = flags.to_vec();
        files.iter().for_each(|file| args.extend(["-o", file]));
        assert_eq!(done(&room.earworm(&args)), "");
    }
    for kind in ["abc", "mid", "wav"] {
        let [a, b] =
            ["a", "b"].map(|take| std::fs::read(room.path(&format!("{take}.{kind}"))).unwrap());
        assert!(a == b, "{kind} differs");
    }
    assert_eq!(std::fs::read_to_string(room.path("a.abc")).unwrap(), printed);
    assert!(printed.contains("M:6/8") && printed.contains("K:Ador"), "{printed}");
    let other =
        done(&room.earworm(&[
            "generate", "--style", "jig", "--key", "Ador", "--bars", "8", "--seed", "12",
        ]));
    assert_ne!(printed, other);
}

#[test]
fn a_title_names_a_seed_that_can_be_remembered_and_no_other() {
    let room = Room::new();
    let title = |seed: &str| {
        let abc = done(&room.earworm(&["generate", "--bars", "4", "--seed", seed]));
        abc.lines().find_map(|line| line.strip_prefix("T:")).unwrap().to_owned()
    };
    assert_eq!(title("11"), "Reel in D, no. 11");
    assert_eq!(title("18446744073709551615"), "Reel in D");
}

#[test]
fn a_generated_midi_file_has_the_notes_of_the_abc_beside_it() {
    let room = Room::new();
    done(&room.earworm(&["generate", "--seed", "3", "--bars", "8", "-o", "t.abc", "-o", "t.mid"]));
    done(&room.earworm(&["convert", "t.abc", "again.mid"]));
    assert_eq!(notes(&room.path("t.mid")), notes(&room.path("again.mid")));
    assert!(notes(&room.path("t.mid")).len() > 20);
    assert_eq!(done(&room.earworm(&["check", "t.abc"])), "");
}

#[test]
fn bars_are_written_anew_and_the_others_stay_byte_for_byte() {
    let room = Room::new();
    done(&room.earworm(&["generate", "--seed", "3", "--bars", "8", "-o", "t.abc"]));
    let rewrite = ["generate", "--from", "t.abc", "--rewrite", "3-4", "--seed", "2"];
    let new = done(&room.earworm(&rewrite));
    let old = std::fs::read_to_string(room.path("t.abc")).unwrap();
    assert_ne!(new, old);
    let body = |text: &str| -> Vec<String> {
        let body = text.split_once("\nK:").unwrap().1.split_once('\n').unwrap().1;
        body.split('|').map(str::to_owned).collect()
    };
    let (old, new) = (body(&old), body(&new));
    assert_eq!(old.len(), new.len());
    assert!(old.iter().zip(&new).filter(|(old, new)| old != new).count() <= 2);
    let variants = [&rewrite[..], &["--variants", "3", "-o", "three.abc"]].concat();
    done(&room.earworm(&variants));
    let book = std::fs::read_to_string(room.path("three.abc")).unwrap();
    assert_eq!(book.matches("X:").count(), 3);
    assert_eq!(done(&room.earworm(&["check", "three.abc"])), "");
    for (bars, said) in [("9", "bars 1 to 8"), ("4-3", "names no bars"), ("all", "names no bars")] {
        let output = room.earworm(&["generate", "--from", "t.abc", "--rewrite", bars]);
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{bars}");
        refused(&output);
    }
}

#[test]
fn a_tune_without_chords_gets_some() {
    let room = Room::new();
    done(&room.earworm(&["generate", "--seed", "4", "--no-chords", "-o", "t.abc"]));
    done(&room.earworm(&["convert", "--chords", "t.abc", "with.abc"]));
    let with = std::fs::read_to_string(room.path("with.abc")).unwrap();
    assert!(with.matches('"').count() > 8, "{with}");
    assert_eq!(done(&room.earworm(&["check", "with.abc"])), "");
}

#[test]
fn where_one_output_can_t_be_written_the_others_still_are() {
    let room = Room::new();
    let output = room.earworm(&[
        "generate",
        "--bars",
        "4",
        "--seed",
        "1",
        "-o",
        "no/where.mid",
        "-o",
        "here.mid",
    ]);
    refused(&output);
    assert_eq!(room.names(), ["here.mid"]);
}

#[test]
fn a_midi_file_has_the_tempo_metre_and_notes_that_are_written() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    done(&room.earworm(&["convert", "--melody-only", "t.abc", "t.mid"]));
    let performance = midi::read(&std::fs::read(room.path("t.mid")).unwrap()).unwrap();
    assert_eq!(performance.title, "The Test of Time");
    // 120 dotted quarters a minute are 180 quarters.
    assert_eq!(performance.tempos[0].microseconds_per_quarter, 333_333);
    assert_eq!((performance.metres[0].numerator, performance.metres[0].denominator), (6, 8));
    let keys: Vec<u8> = performance.notes.iter().map(|note| note.key).collect();
    let first = [64, 71, 74, 73, 69, 71, 69, 71, 73, 74];
    let (first_time, second_time) =
        ([&first[..], &[64, 64, 62]].concat(), [&first[..], &[64]].concat());
    assert_eq!(keys, [first_time, second_time].concat());
    done(&room.earworm(&["convert", "t.abc", "full.mid"]));
    assert!(notes(&room.path("full.mid")).len() > keys.len());
}

#[test]
fn converting_to_midi_and_back_keeps_every_note() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    for step in [["t.abc", "a.mid"], ["a.mid", "b.abc"], ["b.abc", "b.mid"], ["b.mid", "c.mid"]] {
        done(&room.earworm(&["convert", "--melody-only", step[0], step[1]]));
    }
    assert_eq!(notes(&room.path("a.mid")), notes(&room.path("b.mid")));
    assert_eq!(notes(&room.path("a.mid")), notes(&room.path("c.mid")));
    let back = std::fs::read_to_string(room.path("b.abc")).unwrap();
    assert!(back.contains("M:6/8") && back.contains("K:Edor"), "{back}");
}

#[test]
fn transposing_moves_every_note_of_abc_and_of_midi_alike() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    done(&room.earworm(&["convert", "t.abc", "t.mid"]));
    let moved: Vec<_> =
        notes(&room.path("t.mid")).iter().map(|&(a, b, key)| (a, b, key - 3)).collect();
    for step in [["t.abc", "up.mid"], ["t.mid", "up2.mid"], ["t.abc", "up.abc"]] {
        done(&room.earworm(&["convert", "--transpose", "-3", step[0], step[1]]));
    }
    assert_eq!(notes(&room.path("up2.mid")), moved);
    let text = std::fs::read_to_string(room.path("up.abc")).unwrap();
    assert!(text.contains("K:C#dor") && text.contains("\"C#m\""), "{text}");
    done(&room.earworm(&["convert", "up.abc", "up3.mid"]));
    assert_eq!(notes(&room.path("up3.mid")), notes(&room.path("up.mid")));
    let melody = |file: &str| {
        done(&room.earworm(&["convert", "--melody-only", file, "m.mid"]));
        notes(&room.path("m.mid"))
    };
    let (written, up) = (melody("t.abc"), melody("up.abc"));
    assert_eq!(written.iter().map(|&(a, b, key)| (a, b, key - 3)).collect::<Vec<_>>(), up);
}

#[test]
fn a_book_of_tunes_becomes_a_file_for_each_number_and_one_can_be_picked() {
    let room = Room::new();
    room.with("book.abc", BOOK);
    let output = room.earworm(&["convert", "book.abc", "out.mid"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(room.names(), ["book.abc", "out-3.mid", "out-7.mid"]);
    done(&room.earworm(&["convert", "--tune", "7", "book.abc", "one.mid"]));
    assert_eq!(notes(&room.path("one.mid")), notes(&room.path("out-7.mid")));
    done(&room.earworm(&["convert", "book.abc", "all.abc"]));
    let all = abc::read(&std::fs::read_to_string(room.path("all.abc")).unwrap());
    assert_eq!(all.tunes.len(), 2);
}

#[test]
fn a_wav_lasts_as_long_as_its_tune() {
    let room = Room::new();
    room.with("t.abc", "X:1\nT:Two seconds\nM:4/4\nL:1/4\nQ:1/4=120\nK:C\nCEGc|]\n");
    done(&room.earworm(&["convert", "t.abc", "t.wav"]));
    let wav = hound::WavReader::open(room.path("t.wav")).unwrap();
    assert_eq!(wav.spec().channels, 2);
    let seconds = f64::from(wav.duration()) / f64::from(wav.spec().sample_rate);
    assert!((2.0..9.0).contains(&seconds), "{seconds}");
}

#[test]
fn check_tells_file_line_and_column_in_characters_and_exits_by_what_it_found() {
    let room = Room::new();
    room.with("good.abc", TUNE);
    room.with(
        "bad.abc",
        "X:1\r\nT:Caf\u{e9}\r\nM:4/4\r\nL:1/4\r\nK:C\r\n\"\u{e9}\u{e9}\"CDE;F|\r\n",
    );
    assert_eq!(done(&room.earworm(&["check", "good.abc"])), "");
    let output = room.earworm(&["check", "bad.abc", "good.abc"]);
    let told = text(&output.stdout);
    assert!(told.lines().any(|line| line.starts_with("bad.abc:6:8: ")), "{told}");
    // A reserved sign is a warning; an unreadable one an error.
    assert_eq!(output.status.code(), Some(0), "{told}");
    room.with("worse.abc", "X:1\nT:Worse\nM:4/4\nL:1/4\nK:C\nCD\u{a7}EF|\n");
    let output = room.earworm(&["check", "good.abc", "worse.abc"]);
    let told = text(&output.stdout);
    assert!(told.starts_with("worse.abc:6:3: error: "), "{told}");
    assert_eq!(output.status.code(), Some(1));
    let output = room.earworm(&["check", "missing.abc", "worse.abc"]);
    assert!(text(&output.stdout).starts_with("worse.abc:6:3: error: "));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_output_that_was_there_keeps_its_old_bytes_when_the_new_ones_fail() {
    let room = Room::new();
    room.with("header.abc", "X:1\nT:No music\nK:C\n");
    room.with("out.mid", "what was there");
    refused(&room.earworm(&["convert", "header.abc", "out.mid"]));
    assert_eq!(std::fs::read_to_string(room.path("out.mid")).unwrap(), "what was there");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_stays_a_link_and_a_new_file_has_the_usual_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    room.with("t.abc", TUNE);
    let target = room.with("target.mid", "");
    std::os::unix::fs::symlink(&target, room.path("link.mid")).unwrap();
    done(&room.earworm(&["convert", "t.abc", "link.mid"]));
    assert!(room.path("link.mid").is_symlink());
    assert_eq!(&std::fs::read(&target).unwrap()[..4], b"MThd");
    done(&room.earworm(&["convert", "t.abc", "new.mid"]));
    let mode =
        |name: &str| std::fs::metadata(room.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("new.mid"), mode("t.abc"));
}

#[cfg(unix)]
#[test]
fn a_write_protected_output_is_refused_and_a_link_to_nowhere_is_written_through() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let room = Room::new();
    room.with("t.abc", TUNE);
    let kept = room.with("kept.mid", "kept");
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o444)).unwrap();
    for command in [&["convert", "t.abc", "kept.mid"][..], &["generate", "-o", "kept.mid"]] {
        let told = refused(&room.earworm(command));
        assert!(told.contains("kept.mid: permission denied"), "{told}");
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "kept");
    symlink("there.mid", room.path("link.mid")).unwrap();
    done(&room.earworm(&["convert", "t.abc", "link.mid"]));
    assert!(room.path("link.mid").is_symlink());
    assert!(!notes(&room.path("there.mid")).is_empty());
    assert_eq!(room.names(), ["kept.mid", "link.mid", "t.abc", "there.mid"]);
}

/// Runs the program with `input` at its standard input.
fn piped(room: &Room, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
        .args(args)
        .current_dir(room.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn tunes_go_through_pipes_in_every_format() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    for format in ["abc", "mid", "wav"] {
        let file = format!("t.{format}.{format}");
        done(&room.earworm(&["convert", "t.abc", &file]));
        let output = piped(&room, &["convert", "-", "-", "--to", format], TUNE.as_bytes());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        assert_eq!(output.stdout, std::fs::read(room.path(&file)).unwrap(), "{format}");
    }
    // What comes in is known by its first bytes, or by what the user says.
    let midi = std::fs::read(room.path("t.mid.mid")).unwrap();
    for flags in [&["--to", "abc"][..], &["--to", "abc", "--from", "midi"]] {
        let output = piped(&room, &[&["convert", "-", "-"][..], flags].concat(), &midi);
        assert!(text(&output.stdout).contains("K:Edor"), "{}", text(&output.stderr));
    }
    let output = piped(&room, &["convert", "-", "out.mid"], BOOK.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert!(room.names().contains(&"out-7.mid".to_owned()));
    let output = piped(&room, &["convert", "-", "-", "--to", "mid"], BOOK.as_bytes());
    assert!(refused(&output).contains("--tune"));
    let output = piped(&room, &["check", "-"], b"X:1\nT:Worse\nM:4/4\nL:1/4\nK:C\nCD\xc2\xa7EF|\n");
    assert!(text(&output.stdout).starts_with("-:6:3: error: "), "{}", text(&output.stdout));
    assert!(
        refused(&piped(&room, &["check", "-"], b"")).contains("standard input: there is no tune")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_at_standard_output_is_told_and_a_reader_that_is_gone_is_not() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    room.with("worse.abc", "X:1\nT:Worse\nM:4/4\nL:1/4\nK:C\nCD\u{a7}EF|\n");
    for args in [
        &["generate", "--bars", "4", "--seed", "1"][..],
        &["convert", "t.abc", "-", "--to", "mid"],
        &["convert", "t.abc", "-", "--to", "abc"],
        &["check", "worse.abc"],
        &["check", "--json", "t.abc"],
        &["--help"],
        &["--version"],
        &["manual"],
        &["completions", "bash"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_earworm"))
            .args(args)
            .current_dir(room.folder.path())
            .stdout(full)
            .output()
            .unwrap();
        assert!(refused(&output).contains("standard output: no space left"), "{args:?}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
            .args(args)
            .current_dir(room.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_program_that_is_told_to_end_leaves_no_part_of_a_file() {
    use std::os::unix::process::ExitStatusExt;
    let room = Room::new();
    // An hour of music takes long enough to be caught at it.
    let long = format!("X:1\nT:Long\nM:4/4\nL:1/1\nQ:1/4=40\nK:C\n{}\n", "[CEGceg]|".repeat(600));
    room.with("long.abc", long);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
            .args(["convert", "long.abc", "long.wav"])
            .current_dir(room.folder.path())
            .spawn()
            .unwrap();
        while room.names().len() < 2 {
            assert_eq!(child.try_wait().unwrap(), None, "it should take longer");
            std::thread::yield_now();
        }
        // SAFETY: the process is this test's own and has not been waited for.
        unsafe { libc::kill(child.id() as i32, signal) };
        assert_eq!(child.wait().unwrap().signal(), Some(signal));
        assert_eq!(room.names(), ["long.abc"]);
    }
}

#[test]
fn a_midi_file_that_is_cut_is_read_as_far_as_it_goes_and_that_is_said() {
    let room = Room::new();
    room.with("t.abc", TUNE);
    done(&room.earworm(&["convert", "--melody-only", "t.abc", "t.mid"]));
    let midi = std::fs::read(room.path("t.mid")).unwrap();
    for (name, kept) in [("last.kar", midi.len() - 1), ("half.smf", midi.len() - 60)] {
        room.with(name, &midi[..kept]);
        let output = room.earworm(&["convert", name, "again.mid"]);
        let told = text(&output.stderr);
        assert!(told.contains("cut short") && told.lines().count() <= 2, "{told}");
        assert_eq!(output.status.code(), Some(0));
        let (all, there) = (notes(&room.path("t.mid")), notes(&room.path("again.mid")));
        assert!(there.len() <= all.len() && there.iter().all(|note| all.contains(note)));
        assert!(there.len() + 8 > all.len(), "{} of {}", there.len(), all.len());
    }
    done(&room.earworm(&["convert", "t.abc", "t.rmi"]));
    assert!(std::fs::read(room.path("t.rmi")).unwrap().starts_with(b"RIFF"));
    done(&room.earworm(&["convert", "t.rmi", "again.abc"]));
    let wrapped = std::fs::read(room.path("t.rmi")).unwrap();
    room.with("cut.rmi", &wrapped[..wrapped.len() - 30]);
    let told = refused(&room.earworm(&["convert", "cut.rmi", "again.abc"]));
    assert!(told.contains("cut.rmi: the MIDI file is cut short"), "{told}");
}

#[test]
fn what_a_wav_leaves_out_is_said_and_percussion_alone_makes_none() {
    let room = Room::new();
    let drums = "X:1\nT:Drums\nM:4/4\nL:1/4\nK:C\n%%MIDI channel 10\nC,,D,,C,,D,,|]\n";
    room.with("drums.abc", drums);
    let told = refused_with(&room.earworm(&["convert", "drums.abc", "drums.wav"]), 2);
    assert!(told.contains("percussion only"), "{told}");
    room.with(
        "both.abc",
        "X:1\nT:Both\nM:4/4\nL:1/4\nK:C\nV:1\nCDEF|]\nV:2\n%%MIDI channel 10\nC,,D,,C,,D,,|]\n",
    );
    let output = room.earworm(&["convert", "both.abc", "both.wav"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("4 notes of percussion"), "{}", text(&output.stderr));
    assert_eq!(room.names(), ["both.abc", "both.wav", "drums.abc"]);
    // A tempo that no MIDI file can tell is one that a WAV has.
    room.with("slow.abc", "X:1\nT:Slow\nM:1/4\nL:1/4\nQ:1/4=2\nK:C\nC|]\n");
    done(&room.earworm(&["convert", "slow.abc", "slow.wav"]));
    let wav = hound::WavReader::open(room.path("slow.wav")).unwrap();
    assert!(wav.duration() / wav.spec().sample_rate >= 30);
    let output = room.earworm(&["convert", "slow.abc", "slow.mid"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("too slow for MIDI"), "{}", text(&output.stderr));
}

/// As [`refused`], with so many lines.
#[track_caller]
fn refused_with(output: &Output, lines: usize) -> String {
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!((text(&output.stdout), told.lines().count()), (String::new(), lines), "{told}");
    told
}

#[test]
fn check_says_which_tune_has_no_notes_and_gives_byte_ranges_in_json() {
    let room = Room::new();
    let book = "X:1\nT:Title\nK:C\n\nX:2\nT:\u{e9}\u{e9}\nM:4/4\nL:1/4\nK:C\nCD\u{a7}EF|\n";
    room.with("book.abc", book);
    let told = text(&room.earworm(&["check", "book.abc"]).stdout);
    assert!(told.starts_with("book.abc:1:1: warning: there are no notes"), "{told}");
    let output = room.earworm(&["check", "--json", "book.abc"]);
    assert_eq!(output.status.code(), Some(1));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["file"], "book.abc");
    let error =
        line["findings"].as_array().unwrap().iter().find(|f| f["severity"] == "error").unwrap();
    let place = |name: &str| error[name].as_u64().unwrap() as usize;
    assert_eq!(&book[place("start")..place("end")], "\u{a7}");
    assert_eq!((place("line"), place("column")), (10, 3));
}

#[test]
fn fmt_puts_a_file_in_order_and_changes_no_note_and_no_remark() {
    let room = Room::new();
    let messy = "% a  remark\r\nX: 1\r\nT:  A tune \r\nM:4/4\r\nL:1/4\r\nK:C\r\nCD   EF |  GABc  |]  % end\r\n\r\n\r\n";
    room.with("t.abc", messy);
    done(&room.earworm(&["convert", "t.abc", "before.mid"]));
    let output = room.earworm(&["fmt", "--check", "t.abc"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "t.abc\n".into()));
    assert_eq!(std::fs::read_to_string(room.path("t.abc")).unwrap(), messy);
    done(&room.earworm(&["fmt", "t.abc"]));
    let ordered = "% a  remark\nX:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCD EF | GABc |] % end\n";
    assert_eq!(std::fs::read_to_string(room.path("t.abc")).unwrap(), ordered);
    assert_eq!(text(&piped(&room, &["fmt", "-"], messy.as_bytes()).stdout), ordered);
    assert_eq!(done(&room.earworm(&["fmt", "--check", "t.abc"])), "");
    done(&room.earworm(&["convert", "t.abc", "after.mid"]));
    assert_eq!(notes(&room.path("before.mid")), notes(&room.path("after.mid")));
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let room = Room::new();
    let commands = ["generate", "convert", "check", "fmt", "classify", "tunes", "meter"];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = done(&room.earworm(&["completions", shell]));
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
        assert!(script.contains("melody-only"), "{shell}");
    }
    let page = done(&room.earworm(&["manual"]));
    assert!(
        page.starts_with(".ie") && commands.iter().all(|command| page.contains(command)),
        "{page}"
    );
    for command in commands {
        let page = done(&room.earworm(&["manual", command]));
        assert!(page.contains(&format!("earworm\\-{command}")), "{page}");
        let version = done(&room.earworm(&[command, "--version"]));
        assert!(version.ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")), "{version}");
    }
}

#[cfg(all(feature = "plugin", target_os = "linux"))]
#[test]
fn windows_say_in_one_line_what_keeps_them_from_opening() {
    let room = Room::new();
    let run = |args: &[&str], display: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earworm"));
        command.args(args).current_dir(room.folder.path()).env_remove("DISPLAY");
        if let Some(display) = display {
            command.env("DISPLAY", display);
        }
        command.output().unwrap()
    };
    for plugin in ["tunes", "meter"] {
        let told = refused(&run(&[plugin, "--backend", "dummy"], None));
        assert!(told.contains("no display"), "{told}");
        // No server has so high a number.
        let told = refused(&run(&[plugin, "--backend", "dummy"], Some(":9999")));
        assert!(told.contains(":9999"), "{told}");
        for flags in [&["--bogus"][..], &["--backend", "tape"], &["--sample-rate", "fast"]] {
            let told = refused(&run(&[&[plugin][..], flags].concat(), None));
            assert!(told.contains(flags[flags.len() - 1]), "{told}");
        }
        let told = refused(&run(&[plugin, "absent.abc", "--backend", "dummy"], None));
        assert!(told.contains("absent.abc"), "{told}");
        let help = run(&[plugin, "--help"], None);
        assert!(text(&help.stdout).contains("--backend"));
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    let room = Room::new();
    for flag in ["--help", "--version", "-h"] {
        let output = room.earworm(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("earworm"));
    }
    let help = text(&room.earworm(&["convert", "--help"]).stdout);
    assert!(help.contains("out-1.mid") && help.contains("--melody-only"), "{help}");
}

#[cfg(not(feature = "plugin"))]
#[test]
fn a_build_without_the_plug_ins_says_so_when_their_windows_are_asked_for() {
    let room = Room::new();
    for plugin in ["tunes", "meter"] {
        let told = refused(&room.earworm(&[plugin, "--backend", "dummy"]));
        assert!(told.contains("default features"), "{told}");
    }
}
