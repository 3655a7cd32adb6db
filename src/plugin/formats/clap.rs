//! Real-time: the CLAP entry point, and what stands between a host and the framework.
//!
//! A [`Guard`] is what the host gets to see. Its first field is a `clap_plugin` whose `plugin_data` is the framework's
//! own, so that the framework's extensions work on it as they are; only the calls that need it go through the guard.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, CLAP_EVENT_NOTE_CHOKE, CLAP_EVENT_NOTE_OFF,
    CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_param_value,
    clap_input_events,
};
use clap_sys::ext::audio_ports::{CLAP_EXT_AUDIO_PORTS, clap_plugin_audio_ports};
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_plugin_gui, clap_window};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use clap_sys::version::CLAP_VERSION;
use nice_plug::wrapper::clap::{ClapPlugin, PluginDescriptor, Wrapper};
use nice_plug::wrapper::setup_logger;

use super::{EXACT_MOMENTS, KEPT, sub_block};
use crate::{Meter, Tunes};

/// What hosts look up in the library.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals, reason = "CLAP gives the name")]
pub static clap_entry: clap_plugin_entry = clap_plugin_entry {
    clap_version: CLAP_VERSION,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(get_factory),
};

static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(plugin_count),
    get_plugin_descriptor: Some(plugin_descriptor),
    create_plugin: Some(create_plugin),
};

/// The descriptions of both plug-ins.
fn descriptors() -> &'static [PluginDescriptor; 2] {
    static DESCRIPTORS: OnceLock<[PluginDescriptor; 2]> = OnceLock::new();
    DESCRIPTORS.get_or_init(|| {
        [PluginDescriptor::for_plugin::<Meter>(), PluginDescriptor::for_plugin::<Tunes>()]
    })
}

unsafe extern "C" fn init(_path: *const c_char) -> bool {
    setup_logger::<Meter>();
    true
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    // SAFETY: a host's id ends with a zero.
    match !id.is_null() && unsafe { CStr::from_ptr(id) } == CLAP_PLUGIN_FACTORY_ID {
        true => ptr::from_ref(&FACTORY).cast(),
        false => ptr::null(),
    }
}

unsafe extern "C" fn plugin_count(_: *const clap_plugin_factory) -> u32 {
    descriptors().len() as u32
}

unsafe extern "C" fn plugin_descriptor(
    _: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    let descriptor = descriptors().get(index as usize);
    descriptor.map_or(ptr::null(), |descriptor| ptr::from_ref(descriptor.clap_plugin_descriptor()))
}

unsafe extern "C" fn create_plugin(
    _: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    if host.is_null() || id.is_null() {
        return ptr::null();
    }
    // SAFETY: a host's id ends with a zero, and the host outlives its plug-ins.
    unsafe {
        let id = CStr::from_ptr(id);
        let [meter, tunes] = descriptors();
        match () {
            () if id == meter.clap_id() => Guard::over(framework::<Meter>(host), host),
            () if id == tunes.clap_id() => Guard::over(framework::<Tunes>(host), host),
            () => ptr::null(),
        }
    }
}

/// The framework's own plug-in. Its `destroy` frees it.
///
/// # Safety
/// `host` outlives it.
unsafe fn framework<P: ClapPlugin>(host: *const clap_host) -> *const clap_plugin {
    // SAFETY: the caller promises it.
    let wrapper = Arc::into_raw(unsafe { Wrapper::<P>::new(host) });
    // SAFETY: it lives until it is destroyed.
    unsafe { (*wrapper).clap_plugin.as_ptr() }
}

/// What the host gets to see of a plug-in.
#[repr(C)]
struct Guard {
    /// First, so that a pointer to it is one to the guard.
    plugin: clap_plugin,
    inner: *const clap_plugin,
    host: *const clap_host,
    params: clap_plugin_params,
    inner_params: *const clap_plugin_params,
    gui: clap_plugin_gui,
    inner_gui: *const clap_plugin_gui,
    /// When its window was opened. Of the main thread.
    opened: Cell<Option<Instant>>,
    active: AtomicBool,
    /// A block is being processed; a second at the same time is refused.
    busy: AtomicBool,
    /// Of the audio thread while `busy`, of the main thread while it is not active.
    audio: UnsafeCell<Audio>,
}

/// What the audio thread keeps.
struct Audio {
    /// Channels of the main ports; 0 where there is none.
    inputs: u32,
    outputs: u32,
    events: Events,
}

impl Guard {
    /// Stands in front of `inner`. Lives until it is destroyed.
    ///
    /// # Safety
    /// `inner` is the framework's, and `host` outlives it.
    unsafe fn over(inner: *const clap_plugin, host: *const clap_host) -> *const clap_plugin {
        // SAFETY: both are what the caller says, and the framework's extensions live as long as it.
        let guard = unsafe {
            let params: *const clap_plugin_params = extension(inner, CLAP_EXT_PARAMS);
            let gui: *const clap_plugin_gui = extension(inner, CLAP_EXT_GUI);
            Self {
                plugin: clap_plugin {
                    destroy: Some(destroy),
                    activate: Some(activate),
                    deactivate: Some(deactivate),
                    process: Some(process),
                    get_extension: Some(get_extension),
                    ..*inner
                },
                inner,
                host,
                params: clap_plugin_params {
                    get_info: Some(param_info),
                    ..params.as_ref().copied().unwrap_or(NO_PARAMS)
                },
                inner_params: params,
                gui: clap_plugin_gui {
                    is_api_supported: Some(is_api_supported),
                    create: Some(create_editor),
                    set_scale: Some(set_scale),
                    adjust_size: Some(adjust_size),
                    set_size: Some(set_size),
                    set_parent: Some(set_parent),
                    destroy: Some(destroy_editor),
                    ..gui.as_ref().copied().unwrap_or(NO_GUI)
                },
                inner_gui: gui,
                opened: Cell::new(None),
                active: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                audio: UnsafeCell::new(Audio { inputs: 0, outputs: 0, events: Events::new() }),
            }
        };
        Box::into_raw(Box::new(guard)).cast()
    }

    /// The guard that a host calls.
    ///
    /// # Safety
    /// `plugin` is null or came from [`Guard::over`] and was not destroyed.
    unsafe fn of<'a>(plugin: *const clap_plugin) -> Option<&'a Self> {
        // SAFETY: the plug-in is the guard's first field.
        unsafe { plugin.cast::<Self>().as_ref() }
    }
}

const NO_PARAMS: clap_plugin_params = clap_plugin_params {
    count: None,
    get_info: None,
    get_value: None,
    value_to_text: None,
    text_to_value: None,
    flush: None,
};

const NO_GUI: clap_plugin_gui = clap_plugin_gui {
    is_api_supported: None,
    get_preferred_api: None,
    create: None,
    destroy: None,
    set_scale: None,
    get_size: None,
    can_resize: None,
    get_resize_hints: None,
    adjust_size: None,
    set_size: None,
    set_parent: None,
    set_transient: None,
    suggest_title: None,
    show: None,
    hide: None,
};

/// An extension of the framework's plug-in; null where it has none.
///
/// # Safety
/// `inner` is the framework's, and `id` is that of an extension of type `T`.
unsafe fn extension<T>(inner: *const clap_plugin, id: &CStr) -> *const T {
    // SAFETY: the caller promises it.
    unsafe { (*inner).get_extension.map_or(ptr::null(), |get| get(inner, id.as_ptr()).cast()) }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the host destroys what it was given, once, and nothing of it after.
    unsafe {
        let Some(guard) = Guard::of(plugin) else { return };
        if guard.active.load(Ordering::Acquire) {
            deactivate(plugin);
        }
        if let Some(destroy) = (*guard.inner).destroy {
            destroy(guard.inner);
        }
        drop(Box::from_raw(plugin.cast::<Guard>().cast_mut()));
    }
}

unsafe extern "C" fn activate(
    plugin: *const clap_plugin,
    sample_rate: f64,
    least: u32,
    most: u32,
) -> bool {
    // SAFETY: the host calls with what it was given; the audio thread has no part in a plug-in that is not active.
    unsafe {
        let Some(guard) = Guard::of(plugin) else { return false };
        if !(sample_rate.is_finite() && sample_rate >= 1.0)
            || guard.active.load(Ordering::Acquire)
            || guard.busy.load(Ordering::Acquire)
        {
            return false;
        }
        let ports: *const clap_plugin_audio_ports = extension(guard.inner, CLAP_EXT_AUDIO_PORTS);
        let channels = |is_input: bool| {
            let mut info = std::mem::zeroed();
            let get = ports.as_ref().and_then(|ports| ports.get);
            let known = get.is_some_and(|get| get(guard.inner, 0, is_input, &mut info));
            if known { info.channel_count } else { 0 }
        };
        let audio = &mut *guard.audio.get();
        (audio.inputs, audio.outputs) = (channels(true), channels(false));
        audio.events.forget();
        let active = (*guard.inner)
            .activate
            .is_some_and(|activate| activate(guard.inner, sample_rate, least, most));
        guard.active.store(active, Ordering::Release);
        active
    }
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: the host calls with what it was given.
    unsafe {
        let Some(guard) = Guard::of(plugin) else { return };
        guard.active.store(false, Ordering::Release);
        if let Some(deactivate) = (*guard.inner).deactivate {
            deactivate(guard.inner);
        }
    }
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: the host calls with what it was given, and its ids end with a zero.
    unsafe {
        let Some(guard) = Guard::of(plugin).filter(|_| !id.is_null()) else {
            return ptr::null();
        };
        let id = CStr::from_ptr(id);
        if id == CLAP_EXT_PARAMS && !guard.inner_params.is_null() {
            ptr::from_ref(&guard.params).cast()
        } else if id == CLAP_EXT_GUI && !guard.inner_gui.is_null() {
            ptr::from_ref(&guard.gui).cast()
        } else {
            extension(guard.inner, id)
        }
    }
}

unsafe extern "C" fn process(
    plugin: *const clap_plugin,
    block: *const clap_process,
) -> clap_process_status {
    // SAFETY: the host calls with what it was given, and a block that lives through the call. The audio side is this
    // thread's alone while `busy` is set.
    unsafe {
        let (Some(guard), Some(block)) = (Guard::of(plugin), block.as_ref()) else {
            return CLAP_PROCESS_ERROR;
        };
        if !guard.active.load(Ordering::Acquire) || guard.busy.swap(true, Ordering::AcqRel) {
            return CLAP_PROCESS_ERROR;
        }
        let status = (*guard.audio.get()).process(guard.inner, *block);
        guard.busy.store(false, Ordering::Release);
        status
    }
}

impl Audio {
    /// Hands a block to the framework as far as it can be one.
    ///
    /// # Safety
    /// `inner` is the framework's and active; what `block` points to is the host's.
    unsafe fn process(
        &mut self,
        inner: *const clap_plugin,
        mut block: clap_process,
    ) -> clap_process_status {
        // SAFETY: the caller promises it.
        unsafe {
            let mut input = buffer(block.audio_inputs, block.audio_inputs_count, self.inputs);
            let mut output = buffer(block.audio_outputs, block.audio_outputs_count, self.outputs);
            let sounds = block.frames_count > 0 && output.is_some();
            if let (true, None, Some(output)) = (sounds && self.inputs > 0, &input, &output) {
                // Whatever lies in the host's memory would pass for the input.
                for channel in std::slice::from_raw_parts(output.data32, self.outputs as usize) {
                    ptr::write_bytes(*channel, 0, block.frames_count as usize);
                }
            }
            (block.audio_inputs, block.audio_inputs_count) =
                input.as_mut().map_or((ptr::null(), 0), |buffer| (ptr::from_mut(buffer), 1));
            (block.audio_outputs, block.audio_outputs_count) =
                output.as_mut().map_or((ptr::null_mut(), 0), |buffer| (ptr::from_mut(buffer), 1));
            block.in_events = self.events.take_in(block.in_events, block.frames_count, sounds);
            (*inner).process.map_or(CLAP_PROCESS_ERROR, |process| process(inner, &block))
        }
    }
}

/// The main port's buffer, with no more `channels` than the port has; `None` if any is missing.
///
/// # Safety
/// `buffers` is null or points to as many as `count` says.
unsafe fn buffer(
    buffers: *const clap_audio_buffer,
    count: u32,
    channels: u32,
) -> Option<clap_audio_buffer> {
    // SAFETY: the caller promises it.
    unsafe {
        let mut buffer = *buffers.as_ref().filter(|_| count > 0 && channels > 0)?;
        if buffer.data32.is_null() || buffer.channel_count < channels {
            return None;
        }
        buffer.channel_count = channels;
        let pointers = std::slice::from_raw_parts(buffer.data32, channels as usize);
        pointers.iter().all(|channel| !channel.is_null()).then_some(buffer)
    }
}

/// Events that are presented to the framework at once, at most.
const PRESENTED: usize = 2_048;

/// The most bytes of an event whose time is changed or which is kept. Notes, values and MIDI have under 60.
const EVENT: usize = 64;

/// A copy of an event.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Copied([u8; EVENT]);

impl Copied {
    /// A copy that is due at `time`; `None` of an event that is longer than any that matters.
    ///
    /// # Safety
    /// `event` points to an event of the size that it says.
    unsafe fn of(event: *const clap_event_header, time: u32) -> Option<Self> {
        let mut copied = Self([0; EVENT]);
        // SAFETY: the caller promises it, and the copy is large enough and aligned.
        unsafe {
            let size = (*event).size as usize;
            if !(size_of::<clap_event_header>()..=EVENT).contains(&size) {
                return None;
            }
            ptr::copy_nonoverlapping(event.cast::<u8>(), copied.0.as_mut_ptr(), size);
            (*copied.0.as_mut_ptr().cast::<clap_event_header>()).time = time;
        }
        Some(copied)
    }
}

/// A block's events in the order and at the times at which the framework gets them.
struct Events {
    /// What the framework reads; its context is this.
    list: clap_input_events,
    entries: Vec<Entry>,
    copies: Vec<Copied>,
    /// Notes of blocks that had no audio, and how many of them are presented with this block.
    kept: Vec<Copied>,
    presented: usize,
}

/// One of them: when, which parameter if it is a value, and where.
#[derive(Clone, Copy)]
struct Entry {
    time: u32,
    param: Option<u32>,
    event: Source,
}

#[derive(Clone, Copy)]
enum Source {
    Host(*const clap_event_header),
    Kept(usize),
    Copied(usize),
}

unsafe extern "C" fn presented(list: *const clap_input_events) -> u32 {
    // SAFETY: the list is part of an `Events`, which its context points to.
    unsafe { (*(*list).ctx.cast::<Events>()).entries.len() as u32 }
}

unsafe extern "C" fn present(
    list: *const clap_input_events,
    index: u32,
) -> *const clap_event_header {
    // SAFETY: as above.
    let events = unsafe { &*(*list).ctx.cast::<Events>() };
    let copy = |copies: &[Copied], place: usize| {
        copies.get(place).map_or(ptr::null(), |copied| copied.0.as_ptr().cast())
    };
    match events.entries.get(index as usize).map(|entry| entry.event) {
        Some(Source::Host(event)) => event,
        Some(Source::Kept(place)) => copy(&events.kept, place),
        Some(Source::Copied(place)) => copy(&events.copies, place),
        None => ptr::null(),
    }
}

impl Events {
    fn new() -> Self {
        Self {
            list: clap_input_events {
                ctx: ptr::null_mut(),
                size: Some(presented),
                get: Some(present),
            },
            entries: Vec::with_capacity(PRESENTED),
            copies: Vec::with_capacity(PRESENTED / 2),
            kept: Vec::with_capacity(KEPT),
            presented: 0,
        }
    }

    /// Forgets what was kept.
    fn forget(&mut self) {
        self.kept.clear();
        self.presented = 0;
    }

    /// The list to present to the framework for a block of `frames`. Where the block has no audio it `sounds` not, and
    /// its notes are kept for the next.
    ///
    /// # Safety
    /// `host` is null or the host's list, which lives through the block.
    unsafe fn take_in(
        &mut self,
        host: *const clap_input_events,
        frames: u32,
        sounds: bool,
    ) -> *const clap_input_events {
        self.entries.clear();
        self.copies.clear();
        // What the last block presented has been heard.
        self.kept.drain(..self.presented.min(self.kept.len()));
        self.presented = 0;
        if !sounds {
            // SAFETY: the caller promises it.
            unsafe { each(host, |event| self.keep(event)) };
        }
        let due = if sounds { self.kept.len() } else { 0 };
        let last = frames.saturating_sub(1);
        // Most blocks are as they should be, and are passed on as they are.
        let (mut before, mut sound, mut moments, mut moment) = (0, true, 0usize, None);
        // SAFETY: as above.
        unsafe {
            each(host, |event| {
                let time = (*event).time;
                sound &= (before..=last).contains(&time);
                before = time;
                if is(event, &[CLAP_EVENT_PARAM_VALUE]) && moment != Some(time) {
                    moment = Some(time);
                    moments = moments.saturating_add(1);
                }
            });
        }
        if due == 0 && sound && moments <= EXACT_MOMENTS {
            return host;
        }
        self.presented = due;
        for place in 0..due {
            self.entries.push(Entry { time: 0, param: None, event: Source::Kept(place) });
        }
        let step = if moments > EXACT_MOMENTS { sub_block(frames) } else { 1 };
        let mut before = 0;
        // SAFETY: as above.
        unsafe {
            each(host, |event| {
                before = (*event).time.clamp(before, last);
                self.arrange(event, before, step);
            });
        }
        self.list.ctx = ptr::from_mut(self).cast();
        &self.list
    }

    /// Puts an event that is due at `time` among the others, a parameter's value at the last multiple of `step` before.
    ///
    /// # Safety
    /// `event` is one of the host's that live through the block.
    unsafe fn arrange(&mut self, event: *const clap_event_header, time: u32, step: u32) {
        // SAFETY: the caller promises it, and the type says what the event is.
        let (param, told) = unsafe {
            let value = is(event, &[CLAP_EVENT_PARAM_VALUE]);
            let param = value.then(|| (*event.cast::<clap_event_param_value>()).param_id);
            (param, (*event).time)
        };
        let time = match param {
            Some(_) => time.saturating_sub(time.checked_rem(step).unwrap_or(0)),
            None => time,
        };
        // A later value of the same parameter takes the place of the one before; where there is no room, whenever that was.
        let full = self.entries.len() >= PRESENTED || self.copies.len() >= PRESENTED / 2;
        let present = self.entries.iter().rposition(|entry| entry.time <= time);
        let same = param.and_then(|_| {
            let of_now = self.entries.iter().rposition(|entry| entry.param == param)?;
            let entry = self.entries.get(of_now)?;
            (entry.time == time || full).then_some(of_now)
        });
        // SAFETY: as above.
        let copied = || unsafe { Copied::of(event, time) };
        if let Some(place) = same {
            let Some(entry) = self.entries.get_mut(place) else { return };
            match (entry.event, copied()) {
                _ if told == entry.time => entry.event = Source::Host(event),
                (Source::Copied(place), Some(mut copied)) => {
                    // SAFETY: a copy begins with its header.
                    unsafe {
                        (*copied.0.as_mut_ptr().cast::<clap_event_header>()).time = entry.time
                    };
                    if let Some(place) = self.copies.get_mut(place) {
                        *place = copied;
                    }
                }
                (_, Some(copied)) if !full => {
                    entry.event = Source::Copied(self.copies.len());
                    self.copies.push(copied);
                }
                _ => {}
            }
            return;
        }
        if full {
            return;
        }
        let source = if told == time {
            Source::Host(event)
        } else if let Some(copied) = copied() {
            self.copies.push(copied);
            Source::Copied(self.copies.len().saturating_sub(1))
        } else {
            return;
        };
        let place = present.map_or(0, |place| place.saturating_add(1));
        self.entries.insert(place, Entry { time, param, event: source });
    }

    /// Keeps a note for the next block.
    ///
    /// # Safety
    /// `event` is one of the host's.
    unsafe fn keep(&mut self, event: *const clap_event_header) {
        let notes =
            [CLAP_EVENT_NOTE_ON, CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_CHOKE, CLAP_EVENT_MIDI];
        // SAFETY: the caller promises it.
        unsafe {
            if self.kept.len() < KEPT
                && is(event, &notes)
                && let Some(copied) = Copied::of(event, 0)
            {
                self.kept.push(copied);
            }
        }
    }
}

/// Calls `with` each event of a host's list.
///
/// # Safety
/// `list` is null or a host's.
unsafe fn each(list: *const clap_input_events, mut with: impl FnMut(*const clap_event_header)) {
    // SAFETY: the caller promises it.
    unsafe {
        let Some(events) = list.as_ref() else { return };
        let (Some(size), Some(get)) = (events.size, events.get) else { return };
        for index in 0..size(list) {
            let event = get(list, index);
            if !event.is_null() {
                with(event);
            }
        }
    }
}

/// Whether an event is one of CLAP's own of these kinds.
///
/// # Safety
/// `event` points to an event.
unsafe fn is(event: *const clap_event_header, kinds: &[u16]) -> bool {
    // SAFETY: the caller promises it.
    unsafe { (*event).space_id == CLAP_CORE_EVENT_SPACE_ID && kinds.contains(&(*event).type_) }
}

unsafe extern "C" fn param_info(
    plugin: *const clap_plugin,
    index: u32,
    info: *mut clap_param_info,
) -> bool {
    // SAFETY: the host calls with what it was given.
    unsafe {
        let Some(params) = Guard::of(plugin).and_then(|guard| guard.inner_params.as_ref()) else {
            return false;
        };
        let known = params.count.is_some_and(|count| index < count(plugin));
        known && params.get_info.is_some_and(|get_info| get_info(plugin, index, info))
    }
}

/// Calls the framework's editor where `may` says that it can be done.
macro_rules! editor {
    ($plugin:ident, $may:expr, $call:ident($($argument:expr),*)) => {
        // SAFETY: the host calls with what it was given; the framework's functions take it as their own.
        unsafe {
            let gui = Guard::of($plugin).and_then(|guard| guard.inner_gui.as_ref());
            let call = gui.and_then(|gui| gui.$call).filter(|_| $may);
            call.is_some_and(|call| call($plugin $(, $argument)*))
        }
    };
}

unsafe extern "C" fn is_api_supported(
    plugin: *const clap_plugin,
    api: *const c_char,
    is_floating: bool,
) -> bool {
    editor!(plugin, !api.is_null(), is_api_supported(api, is_floating))
}

unsafe extern "C" fn create_editor(
    plugin: *const clap_plugin,
    api: *const c_char,
    is_floating: bool,
) -> bool {
    // SAFETY: the host outlives its plug-ins.
    let host_has_windows = unsafe {
        Guard::of(plugin).is_some_and(|guard| {
            let get = (*guard.host).get_extension;
            get.is_some_and(|get| !get(guard.host, CLAP_EXT_GUI.as_ptr()).is_null())
        })
    };
    let created = editor!(plugin, host_has_windows && !api.is_null(), create(api, is_floating));
    // SAFETY: the host calls with what it was given.
    if let Some(guard) = unsafe { Guard::of(plugin) } {
        guard.opened.set(created.then(Instant::now));
    }
    created
}

/// How long a window's thread may take to listen. The window library loses a call to end that comes before, and then waits
/// for that thread for ever.
const LISTENS_AFTER: Duration = Duration::from_millis(500);

unsafe extern "C" fn destroy_editor(plugin: *const clap_plugin) {
    // SAFETY: the host calls with what it was given; the framework's function takes it as its own.
    unsafe {
        let Some(guard) = Guard::of(plugin) else { return };
        if let Some(opened) = guard.opened.take() {
            std::thread::sleep(LISTENS_AFTER.saturating_sub(opened.elapsed()));
        }
        if let Some(destroy) = guard.inner_gui.as_ref().and_then(|gui| gui.destroy) {
            destroy(plugin);
        }
    }
}

unsafe extern "C" fn set_scale(plugin: *const clap_plugin, scale: f64) -> bool {
    editor!(plugin, scale.is_finite() && (0.1..=16.0).contains(&scale), set_scale(scale))
}

unsafe extern "C" fn adjust_size(
    plugin: *const clap_plugin,
    width: *mut u32,
    height: *mut u32,
) -> bool {
    editor!(plugin, !width.is_null() && !height.is_null(), adjust_size(width, height))
}

/// The most pixels that a window has across: X11's own limit.
const WIDEST: u32 = 32_767;

unsafe extern "C" fn set_size(plugin: *const clap_plugin, width: u32, height: u32) -> bool {
    let may = (1..=WIDEST).contains(&width) && (1..=WIDEST).contains(&height);
    editor!(plugin, may, set_size(width, height))
}

unsafe extern "C" fn set_parent(plugin: *const clap_plugin, window: *const clap_window) -> bool {
    // SAFETY: all that a window's handle can be is as large as a pointer, and none of them is 0.
    let may = unsafe {
        window.as_ref().is_some_and(|window| !window.api.is_null() && window.specific.x11 != 0)
    };
    editor!(plugin, may, set_parent(window))
}
