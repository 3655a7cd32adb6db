//! Real-time: the VST3 entry point, and what stands between a host and the framework.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]
#![allow(non_snake_case, reason = "VST3 gives the names")]

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use nice_plug::midi::MidiConfig;
use nice_plug::wrapper::setup_logger;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ChannelContext::{
    IInfoListener, IInfoListenerTrait,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;
use nice_plug::wrapper::vst3::vst3::{Class, ComRef, ComWrapper};
use nice_plug::wrapper::vst3::{PluginInfo, Vst3Plugin, Wrapper};

use super::{EXACT_MOMENTS, KEPT, sub_block};
use crate::{Meter, Tunes};

/// What hosts look up in the library.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    let factory = ComWrapper::new(Factory {
        plugins: [PluginInfo::for_plugin::<Meter>(), PluginInfo::for_plugin::<Tunes>()],
    });
    factory
        .to_com_ptr::<IPluginFactory>()
        .map_or(ptr::null_mut(), |factory| factory.into_raw().cast())
}

/// Called by hosts when they load and unload the library; the name differs from system to system.
macro_rules! module {
    ($enter:ident($($argument:ty)?), $leave:ident, $system:meta) => {
        #[unsafe(no_mangle)]
        #[cfg($system)]
        #[allow(missing_docs)]
        pub extern "system" fn $enter($(_: $argument)?) -> bool {
            setup_logger::<Meter>();
            true
        }

        #[unsafe(no_mangle)]
        #[cfg($system)]
        #[allow(missing_docs)]
        pub extern "system" fn $leave() -> bool {
            true
        }
    };
}

module!(
    ModuleEntry(*mut c_void),
    ModuleExit,
    all(target_family = "unix", not(target_os = "macos"))
);
module!(bundleEntry(*mut c_void), bundleExit, target_os = "macos");
module!(InitDll(), ExitDll, target_os = "windows");

/// Lists both plug-ins and makes them.
struct Factory {
    plugins: [PluginInfo; 2],
}

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

impl Factory {
    /// Writes what `tell` says of the plug-in with this index.
    ///
    /// # Safety
    /// `info` is null or has room for it.
    unsafe fn tell<I>(&self, index: int32, info: *mut I, tell: fn(&PluginInfo) -> I) -> tresult {
        let plugin = usize::try_from(index).ok().and_then(|index| self.plugins.get(index));
        match plugin {
            Some(plugin) if !info.is_null() => {
                // SAFETY: the caller promises it.
                unsafe { info.write(tell(plugin)) };
                kResultOk
            }
            _ => kInvalidArgument,
        }
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the host gives a place for it.
        unsafe { self.tell(0, info, PluginInfo::create_factory_info) }
    }

    unsafe fn countClasses(&self) -> int32 {
        self.plugins.len() as int32
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: the host gives a place for it.
        unsafe { self.tell(index, info, PluginInfo::create_class_info) }
    }

    unsafe fn createInstance(
        &self,
        class: FIDString,
        interface: FIDString,
        object: *mut *mut c_void,
    ) -> tresult {
        if class.is_null() || interface.is_null() || object.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the host gives ids of 16 bytes and a place for a pointer.
        unsafe {
            let class = class.cast::<[u8; 16]>().read_unaligned();
            let [meter, tunes] = &self.plugins;
            match () {
                () if class == *meter.cid => instance::<Meter>(interface, object),
                () if class == *tunes.cid => instance::<Tunes>(interface, object),
                () => kInvalidArgument,
            }
        }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the host gives a place for it.
        unsafe { self.tell(index, info, PluginInfo::create_class_info_2) }
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: the host gives a place for it.
        unsafe { self.tell(index, info, PluginInfo::create_class_info_unicode) }
    }

    unsafe fn setHostContext(&self, _: *mut FUnknown) -> tresult {
        kResultOk
    }
}

/// A new plug-in, seen through one of its interfaces.
///
/// # Safety
/// `interface` is an id of 16 bytes, and `object` has room for a pointer.
unsafe fn instance<P: Vst3Plugin>(interface: FIDString, object: *mut *mut c_void) -> tresult {
    let guard = ComWrapper::new(Guard::<P>::new());
    let Some(unknown) = guard.as_com_ref::<FUnknown>() else {
        return kResultFalse;
    };
    let unknown = unknown.as_ptr();
    // SAFETY: the object lives through the call, and on if the host gets it.
    unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, interface.cast(), object) }
}

/// What the host gets to see of a plug-in.
struct Guard<P: Vst3Plugin> {
    inner: Wrapper<P>,
    active: AtomicBool,
    /// A block is being processed; a second at the same time is refused.
    busy: AtomicBool,
    /// Of the audio thread while `busy`, of the main thread while it is not active.
    audio: UnsafeCell<Audio>,
}

// SAFETY: the framework's wrapper is made to be called from several threads, and what the audio thread keeps is reached by
// one thread at a time, as `busy` and `active` say.
unsafe impl<P: Vst3Plugin> Sync for Guard<P> {}
// SAFETY: as above.
unsafe impl<P: Vst3Plugin> Send for Guard<P> {}

/// What the audio thread keeps.
struct Audio {
    /// Channels of the main ports; 0 where there is none.
    inputs: usize,
    outputs: usize,
    notes: ComWrapper<Notes>,
    automation: ComWrapper<Automation>,
}

impl<P: Vst3Plugin> Class for Guard<P> {
    type Interfaces = (
        IComponent,
        IEditController,
        IAudioProcessor,
        IMidiMapping,
        INoteExpressionController,
        IProcessContextRequirements,
        IUnitInfo,
        IInfoListener,
    );
}

impl<P: Vst3Plugin> Guard<P> {
    fn new() -> Self {
        Self {
            inner: Wrapper::new(),
            active: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            audio: UnsafeCell::new(Audio {
                inputs: 0,
                outputs: 0,
                notes: ComWrapper::new(Notes(UnsafeCell::new(NoteList {
                    kept: Vec::with_capacity(KEPT),
                    presented: 0,
                    host: ptr::null_mut(),
                }))),
                automation: ComWrapper::new(Automation::new()),
            }),
        }
    }

    /// Channels of the main bus in a direction; 0 where there is none.
    fn channels(&self, direction: BusDirection) -> usize {
        let mut speakers: SpeakerArrangement = 0;
        // SAFETY: there is room for it.
        let told = unsafe { self.inner.getBusArrangement(direction, 0, &mut speakers) };
        if told == kResultOk { speakers.count_ones() as usize } else { 0 }
    }
}

/// Passes calls on as they are.
macro_rules! passes {
    ($interface:ident: $($call:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(unsafe fn $call(&self, $($argument: $kind),*) -> $answer {
            // SAFETY: what the caller promises is what the framework asks.
            unsafe { <Wrapper<P> as $interface>::$call(&self.inner, $($argument),*) }
        })*
    };
}

impl<P: Vst3Plugin> IPluginBaseTrait for Guard<P> {
    passes! { IPluginBaseTrait:
        initialize(context: *mut FUnknown) -> tresult;
        terminate() -> tresult;
    }
}

impl<P: Vst3Plugin> IComponentTrait for Guard<P> {
    passes! { IComponentTrait:
        getControllerClassId(class: *mut TUID) -> tresult;
        setIoMode(mode: IoMode) -> tresult;
        getBusCount(kind: MediaType, direction: BusDirection) -> int32;
        getBusInfo(kind: MediaType, direction: BusDirection, index: int32, info: *mut BusInfo) -> tresult;
        getRoutingInfo(input: *mut RoutingInfo, output: *mut RoutingInfo) -> tresult;
        activateBus(kind: MediaType, direction: BusDirection, index: int32, state: TBool) -> tresult;
        setState(state: *mut IBStream) -> tresult;
        getState(state: *mut IBStream) -> tresult;
    }

    unsafe fn setActive(&self, state: TBool) -> tresult {
        if state != 0 && !self.active.load(Ordering::Acquire) {
            let [input, output] =
                [BusDirections_::kInput, BusDirections_::kOutput].map(|way| way as BusDirection);
            // SAFETY: the audio thread has no part in a plug-in that is not active.
            let audio = unsafe { &mut *self.audio.get() };
            (audio.inputs, audio.outputs) = (self.channels(input), self.channels(output));
            // SAFETY: as above.
            unsafe { (*audio.notes.0.get()).kept.clear() };
        }
        self.active.store(false, Ordering::Release);
        // SAFETY: the host calls in the order that VST3 prescribes, or the framework refuses.
        let done = unsafe { self.inner.setActive(state) };
        self.active.store(state != 0 && done == kResultOk, Ordering::Release);
        done
    }
}

impl<P: Vst3Plugin> IEditControllerTrait for Guard<P> {
    passes! { IEditControllerTrait:
        setComponentState(state: *mut IBStream) -> tresult;
        setState(state: *mut IBStream) -> tresult;
        getState(state: *mut IBStream) -> tresult;
        getParameterCount() -> int32;
        getParamStringByValue(id: ParamID, value: ParamValue, text: *mut String128) -> tresult;
        getParamValueByString(id: ParamID, text: *mut TChar, value: *mut ParamValue) -> tresult;
        normalizedParamToPlain(id: ParamID, value: ParamValue) -> ParamValue;
        plainParamToNormalized(id: ParamID, value: ParamValue) -> ParamValue;
        getParamNormalized(id: ParamID) -> ParamValue;
        setParamNormalized(id: ParamID, value: ParamValue) -> tresult;
        setComponentHandler(handler: *mut IComponentHandler) -> tresult;
        createView(name: FIDString) -> *mut IPlugView;
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        // SAFETY: the host gives a place for it.
        unsafe {
            match index < self.inner.getParameterCount() {
                true => self.inner.getParameterInfo(index, info),
                false => kInvalidArgument,
            }
        }
    }
}

impl<P: Vst3Plugin> IAudioProcessorTrait for Guard<P> {
    passes! { IAudioProcessorTrait:
        setBusArrangements(
            inputs: *mut SpeakerArrangement, input_count: int32,
            outputs: *mut SpeakerArrangement, output_count: int32
        ) -> tresult;
        getBusArrangement(direction: BusDirection, index: int32, speakers: *mut SpeakerArrangement) -> tresult;
        canProcessSampleSize(size: int32) -> tresult;
        getLatencySamples() -> uint32;
        setProcessing(state: TBool) -> tresult;
        getTailSamples() -> uint32;
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        // SAFETY: the host gives a setup that lives through the call.
        unsafe {
            let sane = setup.as_ref().is_some_and(|setup| {
                setup.sampleRate.is_finite()
                    && setup.sampleRate >= 1.0
                    && setup.maxSamplesPerBlock >= 0
            });
            if sane { self.inner.setupProcessing(setup) } else { kInvalidArgument }
        }
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: the host gives a block that lives through the call. The audio side is this thread's alone while `busy` is
        // set.
        unsafe {
            let Some(data) = data.as_ref().filter(|data| data.numSamples >= 0) else {
                return kInvalidArgument;
            };
            if !self.active.load(Ordering::Acquire) || self.busy.swap(true, Ordering::AcqRel) {
                return kResultFalse;
            }
            let hears = P::MIDI_INPUT >= MidiConfig::Basic;
            let done = (*self.audio.get()).process(&self.inner, *data, hears);
            self.busy.store(false, Ordering::Release);
            done
        }
    }
}

impl<P: Vst3Plugin> IMidiMappingTrait for Guard<P> {
    passes! { IMidiMappingTrait:
        getMidiControllerAssignment(bus: int32, channel: int16, controller: CtrlNumber, id: *mut ParamID) -> tresult;
    }
}

impl<P: Vst3Plugin> INoteExpressionControllerTrait for Guard<P> {
    passes! { INoteExpressionControllerTrait:
        getNoteExpressionCount(bus: int32, channel: int16) -> int32;
        getNoteExpressionInfo(bus: int32, channel: int16, index: int32, info: *mut NoteExpressionTypeInfo) -> tresult;
        getNoteExpressionStringByValue(
            bus: int32, channel: int16, id: NoteExpressionTypeID, value: NoteExpressionValue, text: *mut String128
        ) -> tresult;
        getNoteExpressionValueByString(
            bus: int32, channel: int16, id: NoteExpressionTypeID, text: *const TChar, value: *mut NoteExpressionValue
        ) -> tresult;
    }
}

impl<P: Vst3Plugin> IProcessContextRequirementsTrait for Guard<P> {
    passes! { IProcessContextRequirementsTrait:
        getProcessContextRequirements() -> uint32;
    }
}

impl<P: Vst3Plugin> IUnitInfoTrait for Guard<P> {
    passes! { IUnitInfoTrait:
        getUnitCount() -> int32;
        getUnitInfo(index: int32, info: *mut UnitInfo) -> tresult;
        getProgramListCount() -> int32;
        getProgramListInfo(index: int32, info: *mut ProgramListInfo) -> tresult;
        getProgramName(list: ProgramListID, index: int32, name: *mut String128) -> tresult;
        getProgramInfo(list: ProgramListID, index: int32, attribute: Vst::CString, value: *mut String128) -> tresult;
        hasProgramPitchNames(list: ProgramListID, index: int32) -> tresult;
        getProgramPitchName(list: ProgramListID, index: int32, pitch: int16, name: *mut String128) -> tresult;
        getSelectedUnit() -> UnitID;
        selectUnit(unit: UnitID) -> tresult;
        getUnitByBus(kind: MediaType, direction: BusDirection, bus: int32, channel: int32, unit: *mut UnitID) -> tresult;
        setUnitProgramData(list: int32, program: int32, data: *mut IBStream) -> tresult;
    }
}

impl<P: Vst3Plugin> IInfoListenerTrait for Guard<P> {
    passes! { IInfoListenerTrait:
        setChannelContextInfos(list: *mut IAttributeList) -> tresult;
    }
}

impl Audio {
    /// Hands a block to the framework as far as it can be one.
    ///
    /// # Safety
    /// What `data` points to is the host's and lives through the call.
    unsafe fn process<P: Vst3Plugin>(
        &mut self,
        inner: &Wrapper<P>,
        mut data: ProcessData,
        hears: bool,
    ) -> tresult {
        // SAFETY: the caller promises it.
        unsafe {
            let mut input = buffers(data.inputs, data.numInputs, self.inputs);
            let mut output = buffers(data.outputs, data.numOutputs, self.outputs);
            let sounds = data.numSamples > 0 && output.is_some();
            if let (true, None, Some(output)) = (sounds && self.inputs > 0, &input, &output) {
                // Whatever lies in the host's memory would pass for the input.
                let channels = output.__field0.channelBuffers32;
                for channel in std::slice::from_raw_parts(channels, self.outputs) {
                    ptr::write_bytes(*channel, 0, data.numSamples as usize);
                }
            }
            (data.inputs, data.numInputs) =
                input.as_mut().map_or((ptr::null_mut(), 0), |buffers| (ptr::from_mut(buffers), 1));
            (data.outputs, data.numOutputs) =
                output.as_mut().map_or((ptr::null_mut(), 0), |buffers| (ptr::from_mut(buffers), 1));
            if hears {
                data.inputEvents = Notes::take_in(&self.notes, data.inputEvents, sounds);
            }
            data.inputParameterChanges = Automation::take_in(
                &self.automation,
                data.inputParameterChanges,
                data.numSamples as u32,
            );
            inner.process(&mut data)
        }
    }
}

/// The main bus's buffers, with no more `channels` than the bus has; `None` if any is missing.
///
/// # Safety
/// `buses` is null or points to as many as `count` says.
unsafe fn buffers(
    buses: *mut AudioBusBuffers,
    count: int32,
    channels: usize,
) -> Option<AudioBusBuffers> {
    // SAFETY: the caller promises it.
    unsafe {
        let mut bus = *buses.as_ref().filter(|_| count > 0 && channels > 0)?;
        let pointers = bus.__field0.channelBuffers32;
        if pointers.is_null() || usize::try_from(bus.numChannels).ok()? < channels {
            return None;
        }
        bus.numChannels = channels as int32;
        let pointers = std::slice::from_raw_parts(pointers, channels);
        pointers.iter().all(|channel| !channel.is_null()).then_some(bus)
    }
}

/// Notes as they are presented to the framework: those of blocks that had no audio, then the host's.
struct Notes(UnsafeCell<NoteList>);

struct NoteList {
    kept: Vec<Event>,
    /// How many of those are presented with this block.
    presented: usize,
    host: *mut IEventList,
}

impl Class for Notes {
    type Interfaces = (IEventList,);
}

impl Notes {
    /// The list to present to the framework. Where the block has no audio it `sounds` not, and its notes are kept for
    /// the next.
    ///
    /// # Safety
    /// `host` is null or the host's list, which lives through the block; no other thread uses the notes.
    unsafe fn take_in(
        this: &ComWrapper<Self>,
        host: *mut IEventList,
        sounds: bool,
    ) -> *mut IEventList {
        // SAFETY: the caller promises it.
        unsafe {
            let list = &mut *this.0.get();
            // What the last block presented has been heard.
            list.kept.drain(..list.presented.min(list.kept.len()));
            list.presented = 0;
            let events = ComRef::from_raw(host);
            let count = events.map_or(0, |events| events.getEventCount());
            let mut sane = true;
            for index in 0..count {
                let mut event: Event = std::mem::zeroed();
                if events.is_none_or(|events| events.getEvent(index, &mut event) != kResultOk) {
                    sane = false;
                    continue;
                }
                sane &= !nothing(&event);
                if !sounds && is_note(&event) && list.kept.len() < KEPT {
                    event.sampleOffset = 0;
                    list.kept.push(event);
                }
            }
            if !sounds {
                return ptr::null_mut();
            }
            if list.kept.is_empty() && sane {
                return host;
            }
            list.presented = list.kept.len();
            list.host = host;
            this.as_com_ref::<IEventList>().map_or(ptr::null_mut(), |list| list.as_ptr())
        }
    }
}

/// Whether an event begins or ends a note.
fn is_note(event: &Event) -> bool {
    [Event_::EventTypes_::kNoteOnEvent, Event_::EventTypes_::kNoteOffEvent]
        .iter()
        .any(|&kind| event.r#type == kind as u16)
}

/// Whether an event is data of which there is none.
fn nothing(event: &Event) -> bool {
    // SAFETY: the type says which of the union's it is.
    event.r#type == Event_::EventTypes_::kDataEvent as u16
        && unsafe { event.__field0.data.bytes.is_null() }
}

impl IEventListTrait for Notes {
    unsafe fn getEventCount(&self) -> int32 {
        // SAFETY: the framework asks within the block for which the list was made, on its thread.
        unsafe {
            let list = &*self.0.get();
            let host = ComRef::from_raw(list.host).map_or(0, |host| host.getEventCount());
            host.saturating_add(list.presented as int32)
        }
    }

    unsafe fn getEvent(&self, index: int32, event: *mut Event) -> tresult {
        // SAFETY: as above, and the framework gives a place for an event.
        unsafe {
            let list = &*self.0.get();
            let kept = usize::try_from(index).ok().and_then(|index| list.kept.get(index));
            if let Some(kept) = kept {
                *event = *kept;
                return kResultOk;
            }
            let index = index.saturating_sub(list.presented as int32);
            let found = ComRef::from_raw(list.host)
                .map_or(kResultFalse, |host| host.getEvent(index, event));
            if found != kResultOk || nothing(&*event) {
                // An event of no kind: the framework reads whatever lies here.
                *event = std::mem::zeroed();
                (*event).r#type = u16::MAX;
            }
            kResultOk
        }
    }

    unsafe fn addEvent(&self, _: *mut Event) -> tresult {
        kResultFalse
    }
}

/// Parameters that are automated in one block, at most; a host with more is passed on as it is.
const AUTOMATED: usize = 32;

/// A block's automation as it is presented to the framework, where it is dense.
struct Automation {
    queues: Vec<ComWrapper<Queue>>,
    presented: UnsafeCell<usize>,
}

/// The points of one parameter.
struct Queue(UnsafeCell<Points>);

struct Points {
    id: ParamID,
    points: Vec<(int32, ParamValue)>,
}

impl Class for Automation {
    type Interfaces = (IParameterChanges,);
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl Automation {
    fn new() -> Self {
        let queue = || {
            // One a sub-block, of which a block has 32 at most.
            let points = Points { id: 0, points: Vec::with_capacity(33) };
            ComWrapper::new(Queue(UnsafeCell::new(points)))
        };
        Self { queues: (0..AUTOMATED).map(|_| queue()).collect(), presented: UnsafeCell::new(0) }
    }

    /// The changes to present to the framework for a block of `frames`: the host's, or, where they are dense, the last
    /// of each sub-block at its start.
    ///
    /// # Safety
    /// `host` is null or the host's, which lives through the block; no other thread uses the automation.
    unsafe fn take_in(
        this: &ComWrapper<Self>,
        host: *mut IParameterChanges,
        frames: u32,
    ) -> *mut IParameterChanges {
        // SAFETY: the caller promises it.
        unsafe {
            let Some(changes) = ComRef::from_raw(host) else { return host };
            let count = usize::try_from(changes.getParameterCount()).unwrap_or(0);
            let queue = |index: usize| {
                let queue = changes.getParameterData(index as int32);
                ComRef::<IParamValueQueue>::from_raw(queue)
            };
            let dense = (0..count).filter_map(queue).any(|queue| {
                usize::try_from(queue.getPointCount()).is_ok_and(|points| points > EXACT_MOMENTS)
            });
            if !dense || count > AUTOMATED {
                return host;
            }
            for (index, thinned) in this.queues.iter().enumerate().take(count) {
                let thinned = &mut *thinned.0.get();
                thinned.points.clear();
                let Some(queue) = queue(index) else { continue };
                thinned.id = queue.getParameterId();
                for point in 0..queue.getPointCount() {
                    let (mut at, mut value) = (0, 0.0);
                    if queue.getPoint(point, &mut at, &mut value) == kResultOk {
                        thinned.push(at, value, frames);
                    }
                }
            }
            *this.presented.get() = count;
            this.as_com_ref::<IParameterChanges>().map_or(host, |changes| changes.as_ptr())
        }
    }
}

impl Points {
    fn push(&mut self, at: int32, value: ParamValue, frames: u32) {
        let at = u32::try_from(at).unwrap_or(0).min(frames.saturating_sub(1));
        let start = at.saturating_sub(at.checked_rem(sub_block(frames)).unwrap_or(0)) as int32;
        if let Some(last) = self.points.last_mut().filter(|last| last.0 >= start) {
            last.1 = value;
        } else if self.points.len() < self.points.capacity() {
            self.points.push((start, value));
        }
    }
}

impl IParameterChangesTrait for Automation {
    unsafe fn getParameterCount(&self) -> int32 {
        // SAFETY: the framework asks within the block for which this was made, on its thread.
        unsafe { *self.presented.get() as int32 }
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let queue = usize::try_from(index).ok().and_then(|index| self.queues.get(index));
        let queue = queue.and_then(|queue| queue.as_com_ref::<IParamValueQueue>());
        queue.map_or(ptr::null_mut(), |queue| queue.as_ptr())
    }

    unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
        ptr::null_mut()
    }
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        // SAFETY: as above.
        unsafe { (*self.0.get()).id }
    }

    unsafe fn getPointCount(&self) -> int32 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).points.len() as int32 }
    }

    unsafe fn getPoint(&self, index: int32, at: *mut int32, value: *mut ParamValue) -> tresult {
        // SAFETY: as above, and the framework gives places for both.
        unsafe {
            let points = &(*self.0.get()).points;
            let point = usize::try_from(index).ok().and_then(|index| points.get(index));
            let Some(&(offset, set)) = point else { return kInvalidArgument };
            (*at, *value) = (offset, set);
            kResultOk
        }
    }

    unsafe fn addPoint(&self, _: int32, _: ParamValue, _: *mut int32) -> tresult {
        kResultFalse
    }
}
