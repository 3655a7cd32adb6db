//! Interface: the built VST3 library in a small host that reads the notes it sends.
#![cfg(feature = "plugin")]

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::path::PathBuf;
use std::ptr;

use earworm_abc::{self as abc, PPQ, PerformOptions};
use earworm_plugin::tunes::shared::BUILT_IN;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, Event, Event_, IAudioProcessor,
    IAudioProcessorTrait, IComponent, IComponentTrait, IEventList, IEventListTrait, MediaTypes_,
    ProcessContext, ProcessContext_, ProcessData, ProcessModes_, ProcessSetup,
    SymbolicSampleSizes_,
};
use vst3::Steinberg::{
    FUnknown, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, TUID, int32,
    kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface};

/// The library that was built with this test, or the one of the bundle that is under test.
fn library() -> PathBuf {
    if let Some(bundles) = std::env::var_os("EARWORM_BUNDLES") {
        let contents = PathBuf::from(bundles).join("Earworm.vst3/Contents");
        let architecture = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        return contents.join(architecture).join("Earworm.so");
    }
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    folder.join(format!("{}earworm{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// A host's list of events that a plug-in sends.
#[derive(Default)]
struct Events(RefCell<Vec<Event>>);

impl Class for Events {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for Events {
    unsafe fn getEventCount(&self) -> int32 {
        self.0.borrow().len() as int32
    }

    unsafe fn getEvent(&self, index: int32, event: *mut Event) -> tresult {
        let events = self.0.borrow();
        // SAFETY: the caller gives a place for one event.
        unsafe { *event = events[index as usize] };
        kResultOk
    }

    unsafe fn addEvent(&self, event: *mut Event) -> tresult {
        // SAFETY: the caller gives a valid event.
        self.0.borrow_mut().push(unsafe { *event });
        kResultOk
    }
}

/// A factory of a loaded library; the library stays loaded as long as the process.
fn factory() -> ComPtr<IPluginFactory> {
    let path = library();
    assert!(path.exists(), "no library at {}", path.display());
    // SAFETY: it is our own library; its entry points have the types that VST3 gives them.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(path).unwrap()));
        let enter: libloading::Symbol<unsafe extern "C" fn(*mut c_void) -> bool> =
            library.get(b"ModuleEntry").unwrap();
        assert!(enter(ptr::null_mut()));
        let get: libloading::Symbol<unsafe extern "system" fn() -> *mut c_void> =
            library.get(b"GetPluginFactory").unwrap();
        ComPtr::from_raw(get() as *mut IPluginFactory).unwrap()
    }
}

fn classes(factory: &ComPtr<IPluginFactory>) -> Vec<(String, TUID)> {
    // SAFETY: the factory writes a whole class info for each index under its count.
    unsafe {
        (0..factory.countClasses())
            .map(|index| {
                let mut info: PClassInfo = std::mem::zeroed();
                assert_eq!(factory.getClassInfo(index, &mut info), kResultOk);
                let name = CStr::from_ptr(info.name.as_ptr().cast());
                (name.to_string_lossy().into_owned(), info.cid)
            })
            .collect()
    }
}

#[test]
fn a_host_finds_both_plug_ins() {
    let names: Vec<_> = classes(&factory()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Earworm Meter", "Earworm Tunes"]);
}

/// What Tunes sends while a host's transport rolls for `seconds` and then stands still for a block:
/// sample, whether it begins, channel, key and id.
fn sent(
    sample_rate: f64,
    block: usize,
    tempo: f64,
    seconds: f64,
) -> Vec<(u64, bool, i16, i16, i32)> {
    let factory = factory();
    let (_, id) = classes(&factory).into_iter().find(|(name, _)| name == "Earworm Tunes").unwrap();
    let events = ComWrapper::new(Events::default());
    let list = events.to_com_ptr::<IEventList>().unwrap();
    let mut sent = Vec::new();
    // SAFETY: calls in the order that VST3 prescribes, with buffers that live through each.
    unsafe {
        let mut object: *mut c_void = ptr::null_mut();
        let made =
            factory.createInstance(id.as_ptr(), IComponent::IID.as_ptr().cast(), &mut object);
        assert_eq!(made, kResultOk);
        let component = ComPtr::from_raw(object as *mut IComponent).unwrap();
        assert_eq!(component.initialize(ptr::null_mut::<FUnknown>()), kResultOk);
        let processor = component.cast::<IAudioProcessor>().unwrap();

        let (audio, event) = (MediaTypes_::kAudio, MediaTypes_::kEvent);
        let (inward, outward) = (BusDirections_::kInput, BusDirections_::kOutput);
        assert_eq!(component.getBusCount(audio as i32, outward as i32), 1);
        assert_eq!(component.getBusCount(event as i32, inward as i32), 1);
        assert_eq!(component.getBusCount(event as i32, outward as i32), 1);
        let mut setup = ProcessSetup {
            processMode: ProcessModes_::kRealtime as i32,
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            maxSamplesPerBlock: block as i32,
            sampleRate: sample_rate,
        };
        assert_eq!(processor.setupProcessing(&mut setup), kResultOk);
        component.activateBus(audio as i32, outward as i32, 0, 1);
        component.activateBus(event as i32, outward as i32, 0, 1);
        assert_eq!(component.setActive(1), kResultOk);
        processor.setProcessing(1);

        let (mut left, mut right) = (vec![0.0f32; block], vec![0.0f32; block]);
        let blocks = (seconds * sample_rate / block as f64) as u64;
        let mut loudest = 0.0f32;
        for number in 0..=blocks {
            let playing = number < blocks;
            let sample = number * block as u64;
            let beats = sample as f64 / sample_rate * tempo / 60.0;
            let flags = ProcessContext_::StatesAndFlags_::kTempoValid
                | ProcessContext_::StatesAndFlags_::kTimeSigValid
                | ProcessContext_::StatesAndFlags_::kProjectTimeMusicValid
                | ProcessContext_::StatesAndFlags_::kBarPositionValid;
            let rolling = ProcessContext_::StatesAndFlags_::kPlaying;
            let mut context: ProcessContext = std::mem::zeroed();
            #[allow(clippy::unnecessary_cast, reason = "the flags are signed on Windows")]
            let state = (if playing { flags | rolling } else { flags }) as u32;
            context.state = state;
            context.sampleRate = sample_rate;
            context.projectTimeSamples = sample as i64;
            context.projectTimeMusic = beats;
            context.barPositionMusic = (beats / 4.0).floor() * 4.0;
            context.tempo = tempo;
            context.timeSigNumerator = 4;
            context.timeSigDenominator = 4;
            let mut channels = [left.as_mut_ptr(), right.as_mut_ptr()];
            let mut output = AudioBusBuffers {
                numChannels: 2,
                silenceFlags: 0,
                __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
            };
            let mut data = ProcessData {
                processMode: ProcessModes_::kRealtime as i32,
                symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
                numSamples: block as i32,
                numInputs: 0,
                numOutputs: 1,
                inputs: ptr::null_mut(),
                outputs: &mut output,
                inputParameterChanges: ptr::null_mut(),
                outputParameterChanges: ptr::null_mut(),
                inputEvents: ptr::null_mut(),
                outputEvents: list.as_ptr(),
                processContext: &mut context,
            };
            assert_eq!(processor.process(&mut data), kResultOk);
            loudest = left.iter().chain(&right).fold(loudest, |l, x| l.max(x.abs()));
            for event in events.0.borrow_mut().drain(..) {
                let at = sample + event.sampleOffset as u64;
                if event.r#type == Event_::EventTypes_::kNoteOnEvent as u16 {
                    let on = event.__field0.noteOn;
                    sent.push((at, true, on.channel, on.pitch, on.noteId));
                } else if event.r#type == Event_::EventTypes_::kNoteOffEvent as u16 {
                    let off = event.__field0.noteOff;
                    sent.push((at, false, off.channel, off.pitch, off.noteId));
                }
            }
        }
        assert!(loudest > 0.01, "the built-in voice is heard");
        processor.setProcessing(0);
        component.setActive(0);
        component.terminate();
    }
    sent
}

#[test]
fn the_tune_s_notes_leave_at_their_samples_and_all_end() {
    let book = abc::read(BUILT_IN);
    let performance = abc::perform(&book.tunes[0], &PerformOptions::default());
    for (sample_rate, block) in [(44_100.0, 64), (48_000.0, 480), (96_000.0, 4096)] {
        let (tempo, seconds) = (131.0, 4.0);
        let sent = sent(sample_rate, block, tempo, seconds);
        let mut sounding = Vec::new();
        for &(at, on, channel, key, id) in &sent {
            let place = sounding.iter().position(|&note| note == (channel, key, id));
            match (on, place) {
                (true, None) => sounding.push((channel, key, id)),
                (false, Some(place)) => drop(sounding.remove(place)),
                _ => panic!("key {key} on: {on}, at {at}, does not pair"),
            }
        }
        assert!(sounding.is_empty(), "a note is on after the stop");
        let end = (seconds * sample_rate / block as f64).floor() * block as f64;
        let mut due = 0;
        for note in &performance.notes {
            let beats = f64::from(note.start) / f64::from(PPQ);
            let ideal = beats * 60.0 / tempo * sample_rate;
            if ideal < end - 1.0 {
                due += 1;
                let heard = sent.iter().any(|&(at, on, _, key, _)| {
                    on && key == i16::from(note.key) && (at as f64 - ideal).abs() <= 1.0
                });
                assert!(heard, "key {} due at {ideal}", note.key);
            }
        }
        assert!(due > 10);
    }
}
