//! Interface: projects saved by earlier versions open in this one.
//!
//! `tests/data/states/VERSION-PLUGIN.json` is the state of each plug-in as that version wrote it, once for every version that
//! changed what stands in it.
#![cfg(feature = "plugin")]

use std::ffi::CStr;
use std::path::PathBuf;

use host::{METER, Rack, TUNES};
use serde_json::Value;

/// The bytes that a host keeps for a state of this text: its length goes before it.
fn state(text: &str) -> Vec<u8> {
    let length = u64::try_from(text.len()).unwrap();
    [length.to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// A fixture's text and what it says.
fn fixture(name: &str) -> (String, Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/states").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// A plug-in that has taken in a fixture, and what it then saves.
fn opened(id: &CStr, text: &str) -> (Rack, Value) {
    let entry = host::load(&host::library());
    let mut rack = Rack::new(&entry, id);
    assert!(rack.load(&state(text)), "the state is refused");
    let saved = rack.save();
    let value = serde_json::from_slice(&saved[8..]).unwrap();
    (rack, value)
}

/// Each setting that a fixture names has the same value once it is saved again.
fn same_settings(before: &Value, after: &Value) {
    let settings = before["params"].as_object().unwrap();
    assert!(!settings.is_empty());
    for (id, value) in settings {
        assert_eq!(&after["params"][id], value, "{id}");
    }
}

/// A field of the project, which the framework keeps as text.
fn field(state: &Value, name: &str) -> Value {
    serde_json::from_str(state["fields"][name].as_str().unwrap()).unwrap()
}

#[test]
fn a_project_of_0_1_0_opens_with_its_tune_its_earlier_tunes_and_its_settings() {
    let (text, before) = fixture("0.1.0-tunes.json");
    let (_rack, after) = opened(TUNES, &text);
    same_settings(&before, &after);
    let tune = field(&before, "tune")["abc"].as_str().unwrap().to_owned();
    assert!(tune.contains("T:Kept"));
    assert_eq!(field(&after, "tune")["abc"].as_str().unwrap(), tune);
    let titles = |state: &Value| -> Vec<String> {
        let past = field(state, "past").to_string();
        past.split("T:").skip(1).map(|rest| rest.split('\\').next().unwrap().to_owned()).collect()
    };
    for title in titles(&before) {
        assert!(titles(&after).contains(&title), "{title} is lost");
    }
}

#[test]
fn a_project_of_0_1_0_opens_with_the_meters_settings_and_its_last_reading() {
    let (text, before) = fixture("0.1.0-meter.json");
    let (mut rack, after) = opened(METER, &text);
    same_settings(&before, &after);
    let heard = |state: &Value| field(state, "heard")["probabilities"].as_array().unwrap().clone();
    // Twelve genres then; a later version may name more, after these.
    assert_eq!(heard(&before).len(), 12);
    assert_eq!(heard(&after)[..12], heard(&before)[..]);
    rack.activate(48_000.0, 512);
    assert_eq!(rack.play(512, None).len(), 2, "it runs on");
}
