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
    IAudioProcessorTrait, IComponent, IComponentTrait, IEditController, IEditControllerTrait,
    IEventList, IEventListTrait, MediaTypes_, ParameterInfo, ProcessContext, ProcessContext_,
    ProcessData, ProcessModes_, ProcessSetup, SymbolicSampleSizes_,
};
use vst3::Steinberg::{
    FUnknown, IPluginBaseTrait, IPluginFactory, IPluginFactoryTrait, PClassInfo, TUID, int32,
    kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper, Interface};

/// The library that was built with this test, or the one of the bundle that is under test.
fn library() -> PathBuf {
    match std::env::var_os("EARWORM_BUNDLES") {
        Some(bundles) => {
            let contents = PathBuf::from(bundles).join("Earworm.vst3/Contents");
            let architecture = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
            contents.join(architecture).join("Earworm.so")
        }
        None => host::library(),
    }
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

/// A plug-in in a host.
struct Plugin {
    component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
    controller: ComPtr<IEditController>,
    sent: ComWrapper<Events>,
    given: ComWrapper<Events>,
    block: usize,
    loudest: f32,
}

/// A block as a host may give it.
struct Block<'a> {
    frames: usize,
    /// Output channels; 0 for no bus at all.
    channels: usize,
    context: Option<&'a mut ProcessContext>,
}

impl Plugin {
    /// A plug-in that is set up, and not active yet.
    fn new(name: &str, sample_rate: f64, block: usize) -> Self {
        let factory = factory();
        let (_, id) = classes(&factory).into_iter().find(|(found, _)| found == name).unwrap();
        // SAFETY: calls in the order that VST3 prescribes.
        unsafe {
            let mut object: *mut c_void = ptr::null_mut();
            let made =
                factory.createInstance(id.as_ptr(), IComponent::IID.as_ptr().cast(), &mut object);
            assert_eq!(made, kResultOk);
            let component = ComPtr::from_raw(object as *mut IComponent).unwrap();
            assert_eq!(component.initialize(ptr::null_mut::<FUnknown>()), kResultOk);
            let plugin = Self {
                processor: component.cast::<IAudioProcessor>().unwrap(),
                controller: component.cast::<IEditController>().unwrap(),
                component,
                sent: ComWrapper::new(Events::default()),
                given: ComWrapper::new(Events::default()),
                block,
                loudest: 0.0,
            };
            let mut setup = ProcessSetup {
                processMode: ProcessModes_::kRealtime as i32,
                symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
                maxSamplesPerBlock: block as i32,
                sampleRate: sample_rate,
            };
            assert_eq!(plugin.processor.setupProcessing(&mut setup), kResultOk);
            plugin
        }
    }

    fn activate(&self) {
        let (audio, event) = (MediaTypes_::kAudio, MediaTypes_::kEvent);
        let (inward, outward) = (BusDirections_::kInput, BusDirections_::kOutput);
        // SAFETY: calls in the order that VST3 prescribes.
        unsafe {
            let component = &self.component;
            assert_eq!(component.getBusCount(audio as i32, outward as i32), 1);
            assert_eq!(component.getBusCount(event as i32, inward as i32), 1);
            assert_eq!(component.getBusCount(event as i32, outward as i32), 1);
            component.activateBus(audio as i32, outward as i32, 0, 1);
            component.activateBus(event as i32, outward as i32, 0, 1);
            assert_eq!(component.setActive(1), kResultOk);
            self.processor.setProcessing(1);
        }
    }

    fn deactivate(&self) {
        // SAFETY: calls in the order that VST3 prescribes.
        unsafe {
            self.processor.setProcessing(0);
            self.component.setActive(0);
        }
    }

    /// Sets a parameter, from 0 to 1, before it is active.
    fn set(&self, name: &str, value: f64) {
        // SAFETY: there is room for what is asked.
        unsafe {
            let count = self.controller.getParameterCount();
            let id = (0..count).find_map(|index| {
                let mut info: ParameterInfo = std::mem::zeroed();
                assert_eq!(self.controller.getParameterInfo(index, &mut info), kResultOk);
                let title = info.title.iter().take_while(|&&unit| unit != 0);
                let title: Vec<u16> = title.copied().collect();
                (String::from_utf16_lossy(&title) == name).then_some(info.id)
            });
            assert_eq!(self.controller.setParamNormalized(id.unwrap(), value), kResultOk);
        }
    }

    /// Presses or lets go of a key with the next block.
    fn key(&self, on: bool, pitch: i16) {
        // SAFETY: zeros are an event, and the type says which of the union's it is.
        unsafe {
            let mut event: Event = std::mem::zeroed();
            if on {
                event.r#type = Event_::EventTypes_::kNoteOnEvent as u16;
                event.__field0.noteOn.pitch = pitch;
                event.__field0.noteOn.velocity = 0.8;
                event.__field0.noteOn.noteId = -1;
            } else {
                event.r#type = Event_::EventTypes_::kNoteOffEvent as u16;
                event.__field0.noteOff.pitch = pitch;
                event.__field0.noteOff.noteId = -1;
            }
            self.given.0.borrow_mut().push(event);
        }
    }

    /// Runs a block; whether the plug-in took it.
    fn process(&mut self, block: Block) -> bool {
        let mut channels = vec![vec![0.0f32; self.block]; block.channels];
        let mut pointers: Vec<_> = channels.iter_mut().map(|c| c.as_mut_ptr()).collect();
        let mut output = AudioBusBuffers {
            numChannels: block.channels as i32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: pointers.as_mut_ptr() },
        };
        let mut data = ProcessData {
            processMode: ProcessModes_::kRealtime as i32,
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            numSamples: block.frames as i32,
            numInputs: 0,
            numOutputs: i32::from(block.channels > 0),
            inputs: ptr::null_mut(),
            outputs: if block.channels > 0 { &mut output } else { ptr::null_mut() },
            inputParameterChanges: ptr::null_mut(),
            outputParameterChanges: ptr::null_mut(),
            inputEvents: self.given.to_com_ptr::<IEventList>().unwrap().into_raw(),
            outputEvents: self.sent.as_com_ref::<IEventList>().unwrap().as_ptr(),
            processContext: block.context.map_or(ptr::null_mut(), |context| context),
        };
        // SAFETY: all that the block points to lives through the call.
        let done = unsafe { self.processor.process(&mut data) };
        // SAFETY: taken back what was handed out above.
        drop(unsafe { ComPtr::from_raw(data.inputEvents) });
        self.given.0.borrow_mut().clear();
        self.loudest = channels.iter().flatten().fold(self.loudest, |l, x| l.max(x.abs()));
        done == kResultOk
    }

    /// Whether notes began and ended since this was last asked.
    fn begun_and_ended(&self) -> (bool, bool) {
        let events: Vec<_> = self.sent.0.borrow_mut().drain(..).collect();
        let any = |kind| events.iter().any(|event| event.r#type == kind as u16);
        (any(Event_::EventTypes_::kNoteOnEvent), any(Event_::EventTypes_::kNoteOffEvent))
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: nothing of it is used after this.
        unsafe { self.component.terminate() };
    }
}

/// What Tunes sends while a host's transport rolls for `seconds` and then stands still for a block:
/// sample, whether it begins, channel, key and id. The host `rests` round every block or not.
fn sent(
    sample_rate: f64,
    block: usize,
    tempo: f64,
    seconds: f64,
    rests: bool,
) -> Vec<(u64, bool, i16, i16, i32)> {
    let mut plugin = Plugin::new("Earworm Tunes", sample_rate, block);
    plugin.activate();
    let mut sent = Vec::new();
    let blocks = (seconds * sample_rate / block as f64) as u64;
    for number in 0..=blocks {
        let playing = number < blocks;
        let sample = number * block as u64;
        let beats = sample as f64 / sample_rate * tempo / 60.0;
        let flags = ProcessContext_::StatesAndFlags_::kTempoValid
            | ProcessContext_::StatesAndFlags_::kTimeSigValid
            | ProcessContext_::StatesAndFlags_::kProjectTimeMusicValid
            | ProcessContext_::StatesAndFlags_::kBarPositionValid;
        let rolling = ProcessContext_::StatesAndFlags_::kPlaying;
        // SAFETY: zeros are a context.
        let mut context: ProcessContext = unsafe { std::mem::zeroed() };
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
        assert!(plugin.process(Block { frames: block, channels: 2, context: Some(&mut context) }));
        if rests {
            // SAFETY: calls in the order that VST3 prescribes.
            unsafe {
                plugin.processor.setProcessing(0);
                plugin.processor.setProcessing(1);
            }
        }
        for event in plugin.sent.0.borrow_mut().drain(..) {
            let at = sample + event.sampleOffset as u64;
            // SAFETY: the type says which of the union's it is.
            unsafe {
                if event.r#type == Event_::EventTypes_::kNoteOnEvent as u16 {
                    let on = event.__field0.noteOn;
                    sent.push((at, true, on.channel, on.pitch, on.noteId));
                } else if event.r#type == Event_::EventTypes_::kNoteOffEvent as u16 {
                    let off = event.__field0.noteOff;
                    sent.push((at, false, off.channel, off.pitch, off.noteId));
                }
            }
        }
    }
    assert!(plugin.loudest > 0.01, "the built-in voice is heard");
    plugin.deactivate();
    sent
}

#[test]
fn a_host_that_starts_processing_round_every_block_hears_the_same_notes() {
    let plain = sent(48_000.0, 128, 131.0, 3.0, false);
    assert!(plain.len() > 20);
    assert_eq!(sent(48_000.0, 128, 131.0, 3.0, true), plain);
}

#[test]
fn a_key_s_end_in_a_block_without_audio_is_heard_with_the_next() {
    let whole = || Block { frames: 64, channels: 2, context: None };
    let without: [fn() -> Block<'static>; 3] = [
        || Block { frames: 0, channels: 2, context: None },
        || Block { frames: 64, channels: 0, context: None },
        || Block { frames: 64, channels: 1, context: None },
    ];
    for without in without {
        let mut plugin = Plugin::new("Earworm Tunes", 48_000.0, 512);
        // While a key is held.
        plugin.set("Play", 1.0);
        plugin.activate();
        plugin.process(whole());
        assert_eq!(plugin.begun_and_ended(), (false, false));
        plugin.key(true, 62);
        plugin.process(without());
        plugin.process(whole());
        assert_eq!(plugin.begun_and_ended(), (true, false));
        plugin.key(false, 62);
        plugin.process(without());
        plugin.process(whole());
        assert_eq!(plugin.begun_and_ended(), (false, true));
        for _ in 0..100 {
            plugin.process(Block { frames: 512, ..whole() });
        }
        assert_eq!(plugin.begun_and_ended(), (false, false), "it goes on");
        plugin.deactivate();
    }
}

#[test]
fn what_a_host_must_not_ask_is_refused() {
    let mut plugin = Plugin::new("Earworm Tunes", 48_000.0, 512);
    let whole = || Block { frames: 64, channels: 2, context: None };
    assert!(!plugin.process(whole()), "it is not active");
    plugin.activate();
    assert!(plugin.process(Block { channels: 8, ..whole() }), "more channels than it has");
    assert!(plugin.process(whole()));
    // SAFETY: there is room for what is asked.
    unsafe {
        let mut info: ParameterInfo = std::mem::zeroed();
        let past = plugin.controller.getParameterCount();
        assert_ne!(plugin.controller.getParameterInfo(past, &mut info), kResultOk);
    }
    plugin.deactivate();
    assert!(!plugin.process(whole()));
}

#[test]
fn the_tune_s_notes_leave_at_their_samples_and_all_end() {
    let book = abc::read(BUILT_IN);
    let performance = abc::perform(&book.tunes[0], &PerformOptions::default());
    for (sample_rate, block) in [(44_100.0, 64), (48_000.0, 480), (96_000.0, 4096)] {
        let (tempo, seconds) = (131.0, 4.0);
        let sent = sent(sample_rate, block, tempo, seconds, false);
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
