//! Interface: facts about `earworm classify`, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn classify(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_earworm")).arg("classify").args(arguments).output().unwrap()
}

/// A stereo WAV file with `seconds` of a repeated chord.
fn sound(folder: &Path, name: &str, seconds: f32) -> PathBuf {
    let path = folder.join(name);
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..(seconds * 44_100.0) as u32 {
        let t = n as f32 / 44_100.0;
        let fall = (-4.0 * (t * 2.0).fract()).exp();
        let chord: f32 = [220.0, 277.2, 329.6]
            .iter()
            .map(|hertz| (t * hertz * std::f32::consts::TAU).sin())
            .sum();
        for _ in 0..2 {
            writer.write_sample((chord * fall * 5_000.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    path
}

#[test]
fn a_json_line_says_genre_probabilities_and_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let path = sound(folder.path(), "chord.wav", 22.0);
    let out = classify(&["--json", path.to_str().unwrap()]);
    assert!(out.status.success());
    assert!(out.stderr.is_empty(), "no progress bar in a pipe");
    let line: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(line["file"], path.to_str().unwrap());
    assert!((line["seconds"].as_f64().unwrap() - 22.0).abs() < 0.01);
    let probabilities = line["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.len(), 14);
    let sum: f64 = probabilities.values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3);
    let genre = line["genre"].as_str().unwrap();
    let best =
        probabilities.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap()));
    assert_eq!(genre, best.unwrap().0);
    let timeline = line["timeline"].as_array().unwrap();
    assert_eq!(timeline[0]["start"], 0.0);
    assert!((timeline.last().unwrap()["end"].as_f64().unwrap() - 22.0).abs() < 0.2);
    assert!(timeline.iter().all(|entry| entry["p"].as_f64().unwrap() > 0.0));
}

#[test]
fn what_cannot_be_heard_gets_a_line_and_the_files_beside_it_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let good = sound(folder.path(), "good.wav", 5.0);
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "X:1\nT:not a sound\nK:C\n").unwrap();
    let cut = sound(folder.path(), "cut.wav", 20.0);
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let missing = folder.path().join("missing.wav");
    let out = classify(&[&text, &missing, &cut, &good].map(|path| path.to_str().unwrap()));
    assert_eq!(out.status.code(), Some(2));
    let (told, answers) =
        (String::from_utf8(out.stderr).unwrap(), String::from_utf8(out.stdout).unwrap());
    assert_eq!(told.lines().count(), 3, "{told}");
    for (line, word) in told.lines().zip(["not an audio file", "no such file", "cut short"]) {
        assert!(line.starts_with("earworm: ") && line.contains(word), "{line}");
    }
    // What is there of the cut file is heard all the same.
    assert_eq!(answers.lines().count(), 2, "{answers}");
}

#[test]
fn file_names_on_standard_input_each_give_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<PathBuf> =
        (0..3).map(|index| sound(folder.path(), &format!("{index}.wav"), 4.0)).collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
        .args(["classify", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let list: String = names.iter().map(|name| format!("{}\n", name.display())).collect();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), list.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let answers = String::from_utf8(out.stdout).unwrap();
    for (line, name) in answers.lines().zip(&names) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["file"], name.to_str().unwrap());
    }
    assert_eq!(answers.lines().count(), 3);
}

/// As `find -print0` writes them.
#[cfg(target_os = "linux")]
#[test]
fn names_that_end_with_a_nul_may_hold_line_breaks_and_be_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let names = [&b"two\nlines.wav"[..], b"returned\r", b"caf\xe9.wav", b"last.wav"].map(|name| {
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::rename(sound(folder.path(), "made.wav", 4.0), &path).unwrap();
        path
    });
    let list = names.each_ref().map(|name| name.as_os_str().as_bytes()).join(&0);
    for flag in ["-0", "--null"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_earworm"))
            .args(["classify", "--json", flag, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &list).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let answers = String::from_utf8(out.stdout).unwrap();
        assert_eq!(answers.lines().count(), names.len(), "{answers}");
        for (line, name) in answers.lines().zip(&names) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["file"], *name.to_string_lossy());
            assert!((line["seconds"].as_f64().unwrap() - 4.0).abs() < 0.01);
        }
    }
}

#[test]
fn silence_and_what_is_too_short_are_no_genre() {
    let folder = tempfile::tempdir().unwrap();
    let short = sound(folder.path(), "short.wav", 1.0);
    let out = classify(&["--json", short.to_str().unwrap()]);
    let line: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((line["genre"].is_null(), line["state"].as_str()), (true, Some("too short")));
    let silent = folder.path().join("silent.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&silent, spec).unwrap();
    (0..22_050 * 5).for_each(|_| writer.write_sample(0_i16).unwrap());
    writer.finalize().unwrap();
    let out = classify(&[silent.to_str().unwrap()]);
    assert!(String::from_utf8(out.stdout).unwrap().ends_with(": silence\n"));
}

#[test]
fn a_plot_is_a_picture_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = sound(folder.path(), "chord.wav", 12.0);
    let png = folder.path().join("chord.png");
    let out = classify(&[path.to_str().unwrap(), "--plot", png.to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let bytes = std::fs::read(&png).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000);
    let nowhere = folder.path().join("no-folder/chord.png");
    let out = classify(&[path.to_str().unwrap(), "--plot", nowhere.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    assert!(!nowhere.exists());
}

#[test]
fn a_folder_is_heard_whole_with_a_table_playlists_a_summary_and_a_memory() {
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    std::fs::create_dir_all(music.join("b, \"more\"")).unwrap();
    sound(&music, "a.wav", 8.0);
    sound(&music.join("b, \"more\""), "b.WAV", 8.0);
    std::fs::write(music.join("notes.txt"), "no sound").unwrap();
    std::fs::write(music.join(".hidden.wav"), "no sound").unwrap();
    std::fs::write(music.join("broken.wav"), "no sound").unwrap();
    let (lists, cache) = (folder.path().join("lists"), folder.path().join("heard"));
    let flags = |format: &'static str| {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut flags = vec!["-r".to_owned(), path(&music), "--cache".to_owned(), path(&cache)];
        flags.extend(["--m3u".to_owned(), path(&lists), format.to_owned()]);
        flags
    };
    let run = |format| {
        let flags = flags(format);
        classify(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let out = run("--csv");
    assert_eq!(out.status.code(), Some(2), "one is broken");
    let table = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("file,seconds,state,genre,probability,blues,"));
    assert!(lines[1].contains("a.wav,8.0,") && lines[2].contains("b, \"\"more\"\"/b.WAV\",8.0,"));
    let told = String::from_utf8(out.stderr).unwrap();
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("earworm: 3 files: ") && last.ends_with("not heard 1"), "{told}");
    // A list names the files of its genre, wherever it is opened from.
    let genre = lines[1].split(',').nth(3).unwrap();
    if lines[1].contains(",heard,") {
        let list = std::fs::read_to_string(lists.join(format!("{genre}.m3u8"))).unwrap();
        assert!(list.contains("#EXTINF:8,a\n") && list.contains("/music/a.wav\n"), "{list}");
    }
    // The second time gives the same answers from what was kept; a file that has changed is heard anew.
    let before = run("--json").stdout;
    let kept = std::fs::read_to_string(&cache).unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
    let doctored = kept.replace("\"seconds\":8.0", "\"seconds\":9.0");
    assert_ne!(doctored, kept);
    std::fs::write(&cache, doctored).unwrap();
    sound(&music, "a.wav", 10.0);
    let seconds = |out: &[u8]| -> Vec<f64> {
        let lines = std::str::from_utf8(out).unwrap().lines();
        lines
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["seconds"].as_f64().unwrap()
            })
            .collect()
    };
    assert_eq!(seconds(&before), [8.0, 8.0]);
    assert_eq!(seconds(&run("--json").stdout), [10.0, 9.0]);
}

/// The bytes of a WAV file's chunk `data`.
fn samples(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|name| name == b"data").unwrap();
    let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    bytes[at + 8..at + 8 + length].to_vec()
}

#[test]
fn a_genre_is_written_into_a_file_s_tags_and_into_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = sound(folder.path(), "chord.wav", 8.0);
    let tag = |flags: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_earworm"))
            .arg("tag")
            .args(flags)
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let (whole, sound) = (std::fs::read(&path).unwrap(), samples(&path));
    assert!(tag(&["--dry-run", "--min", "0"]).contains("chord.wav: "));
    assert!(tag(&["--min", "1"]).contains("too unsure"));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let told = tag(&["--min", "0"]);
    let genre = told.split(": ").nth(1).unwrap().split_whitespace().next().unwrap();
    let tagged = std::fs::read(&path).unwrap();
    assert!(tagged.windows(genre.len()).any(|part| part == genre.as_bytes()), "{told}");
    assert_eq!(samples(&path), sound);
    assert!(tag(&["--min", "0"]).contains(&format!("left as it is, {genre}")));
    assert!(tag(&["--min", "0", "--overwrite"]).contains(&format!("instead of {genre}")));
    assert_eq!(std::fs::read(&path).unwrap(), tagged);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
