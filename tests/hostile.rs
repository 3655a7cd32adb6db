//! Interface: hosts that break their format's rules, or stretch them: the process stays, and the plug-in goes on.
#![cfg(feature = "plugin")]

mod clap {
    use std::ffi::{CStr, c_char, c_void};
    use std::ptr;

    use clap_sys::audio_buffer::clap_audio_buffer;
    use clap_sys::entry::clap_plugin_entry;
    use clap_sys::events::{
        CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_VALUE,
        clap_event_header, clap_event_note, clap_event_param_value, clap_input_events,
        clap_output_events,
    };
    use clap_sys::ext::gui::{
        CLAP_EXT_GUI, CLAP_WINDOW_API_X11, clap_host_gui, clap_plugin_gui, clap_window,
        clap_window_handle,
    };
    use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_plugin_params};
    use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
    use clap_sys::host::clap_host;
    use clap_sys::plugin::clap_plugin;
    use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process};
    use clap_sys::version::CLAP_VERSION;

    /// An event of any kind.
    #[derive(Clone, Copy)]
    pub enum Sent {
        Value(u32, u32, f64),
        Key(u32, bool, i16),
    }

    /// What a block is given.
    #[derive(Clone)]
    pub struct Given {
        pub frames: u32,
        /// Channels of each side; `None` is one that points nowhere.
        pub input: Vec<bool>,
        pub output: Vec<bool>,
        pub events: Vec<Sent>,
    }

    impl Given {
        pub fn block(frames: u32, events: &[Sent]) -> Self {
            Self { frames, input: vec![true; 2], output: vec![true; 2], events: events.to_vec() }
        }
    }

    /// What lies behind a channel, where nobody may write.
    const CANARY: f32 = 0.123;
    const MARGIN: usize = 4_096;

    /// A plug-in in a host that checks nothing.
    pub struct Raw {
        plugin: *const clap_plugin,
        host: Box<clap_host>,
        /// Samples of the last block's first channel.
        pub heard: Vec<f32>,
        /// Notes of the last block: sample, on and key.
        pub sent: Vec<(u32, bool, i16)>,
    }

    unsafe extern "C" fn nothing(_: *const clap_host) {}

    unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
        ptr::null()
    }

    unsafe extern "C" fn windows(_: *const clap_host, id: *const c_char) -> *const c_void {
        unsafe extern "C" fn resize(_: *const clap_host, _: u32, _: u32) -> bool {
            true
        }
        unsafe extern "C" fn ask(_: *const clap_host) -> bool {
            true
        }
        unsafe extern "C" fn closed(_: *const clap_host, _: bool) {}
        static GUI: clap_host_gui = clap_host_gui {
            resize_hints_changed: Some(nothing),
            request_resize: Some(resize),
            request_show: Some(ask),
            request_hide: Some(ask),
            closed: Some(closed),
        };
        // SAFETY: an id ends with a zero.
        match unsafe { CStr::from_ptr(id) } == CLAP_EXT_GUI {
            true => ptr::from_ref(&GUI).cast(),
            false => ptr::null(),
        }
    }

    unsafe extern "C" fn count(list: *const clap_input_events) -> u32 {
        // SAFETY: the list is one of `Raw::process`.
        unsafe { (&*(*list).ctx.cast::<Vec<[u64; 8]>>()).len() as u32 }
    }

    unsafe extern "C" fn event(
        list: *const clap_input_events,
        index: u32,
    ) -> *const clap_event_header {
        // SAFETY: the list is one of `Raw::process`.
        unsafe {
            let events = &*(*list).ctx.cast::<Vec<[u64; 8]>>();
            events.get(index as usize).map_or(ptr::null(), |event| event.as_ptr().cast())
        }
    }

    unsafe extern "C" fn take(
        list: *const clap_output_events,
        event: *const clap_event_header,
    ) -> bool {
        // SAFETY: the list is one of `Raw::process`, and the type says what the event is.
        unsafe {
            let sent = &mut *(*list).ctx.cast::<Vec<(u32, bool, i16)>>();
            let kind = (*event).type_;
            if kind == CLAP_EVENT_NOTE_ON || kind == CLAP_EVENT_NOTE_OFF {
                let key = (*event.cast::<clap_event_note>()).key;
                sent.push(((*event).time, kind == CLAP_EVENT_NOTE_ON, key));
            }
        }
        true
    }

    impl Raw {
        pub fn new(id: &CStr, has_windows: bool) -> Self {
            let host = Box::new(clap_host {
                clap_version: CLAP_VERSION,
                host_data: ptr::null_mut(),
                name: c"A careless host".as_ptr(),
                vendor: c"".as_ptr(),
                url: c"".as_ptr(),
                version: c"1".as_ptr(),
                get_extension: Some(if has_windows { windows } else { no_extension }),
                request_restart: Some(nothing),
                request_process: Some(nothing),
                request_callback: Some(nothing),
            });
            // SAFETY: it is our own library, whose entry CLAP describes; it stays loaded.
            let plugin = unsafe {
                let library =
                    Box::leak(Box::new(libloading::Library::new(host::library()).unwrap()));
                let entry: libloading::Symbol<*const clap_plugin_entry> =
                    library.get(b"clap_entry").unwrap();
                assert!((**entry).init.unwrap()(c"".as_ptr()));
                let factory = (**entry).get_factory.unwrap()(CLAP_PLUGIN_FACTORY_ID.as_ptr())
                    .cast::<clap_plugin_factory>();
                let plugin = (*factory).create_plugin.unwrap()(factory, &*host, id.as_ptr());
                assert!((*plugin).init.unwrap()(plugin));
                plugin
            };
            Self { plugin, host, heard: Vec::new(), sent: Vec::new() }
        }

        pub fn activate(&self) {
            // SAFETY: calls as CLAP describes them.
            unsafe {
                assert!((*self.plugin).activate.unwrap()(self.plugin, 48_000.0, 1, 512));
                assert!((*self.plugin).start_processing.unwrap()(self.plugin));
            }
        }

        pub fn deactivate(&self) {
            // SAFETY: calls as CLAP describes them.
            unsafe {
                (*self.plugin).stop_processing.unwrap()(self.plugin);
                (*self.plugin).deactivate.unwrap()(self.plugin);
            }
        }

        fn extension<T>(&self, id: &CStr) -> &T {
            // SAFETY: the extension is of the type that its id says.
            unsafe {
                let get = (*self.plugin).get_extension.unwrap();
                &*get(self.plugin, id.as_ptr()).cast::<T>()
            }
        }

        /// A parameter's id, by its name.
        pub fn param(&self, name: &str) -> u32 {
            let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
            // SAFETY: calls as CLAP describes them.
            unsafe {
                (0..params.count.unwrap()(self.plugin))
                    .find_map(|index| {
                        let mut info = std::mem::zeroed();
                        assert!(params.get_info.unwrap()(self.plugin, index, &mut info));
                        (CStr::from_ptr(info.name.as_ptr()).to_bytes() == name.as_bytes())
                            .then_some(info.id)
                    })
                    .unwrap()
            }
        }

        pub fn value(&self, id: u32) -> f64 {
            let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
            let mut value = 0.0;
            // SAFETY: calls as CLAP describes them.
            assert!(unsafe { params.get_value.unwrap()(self.plugin, id, &mut value) });
            value
        }

        /// Runs a block; whether the plug-in took it.
        pub fn process(&mut self, given: &Given) -> bool {
            let frames = given.frames as usize;
            let memory = |channels: &[bool]| -> Vec<Vec<f32>> {
                let mut channel = vec![0.25; frames];
                channel.resize(frames + MARGIN, CANARY);
                vec![channel; channels.len()]
            };
            let pointers = |memory: &mut [Vec<f32>], there: &[bool]| -> Vec<*mut f32> {
                let channels = memory.iter_mut().zip(there);
                let pointer = |(channel, &there): (&mut Vec<f32>, &bool)| match there {
                    true => channel.as_mut_ptr(),
                    false => ptr::null_mut(),
                };
                channels.map(pointer).collect()
            };
            let buffer = |pointers: &mut Vec<*mut f32>| clap_audio_buffer {
                data32: pointers.as_mut_ptr(),
                data64: ptr::null_mut(),
                channel_count: pointers.len() as u32,
                latency: 0,
                constant_mask: 0,
            };
            let (mut input, mut output) = (memory(&given.input), memory(&given.output));
            let mut input_pointers = pointers(&mut input, &given.input);
            let mut output_pointers = pointers(&mut output, &given.output);
            let (inputs, mut outputs) = (buffer(&mut input_pointers), buffer(&mut output_pointers));
            let mut events: Vec<[u64; 8]> = given.events.iter().map(|&sent| bytes(sent)).collect();
            self.sent.clear();
            let in_events = clap_input_events {
                ctx: ptr::from_mut(&mut events).cast(),
                size: Some(count),
                get: Some(event),
            };
            let out_events = clap_output_events {
                ctx: ptr::from_mut(&mut self.sent).cast(),
                try_push: Some(take),
            };
            let block = clap_process {
                steady_time: -1,
                frames_count: given.frames,
                transport: ptr::null(),
                audio_inputs: &inputs,
                audio_outputs: &mut outputs,
                audio_inputs_count: u32::from(!given.input.is_empty()),
                audio_outputs_count: u32::from(!given.output.is_empty()),
                in_events: &in_events,
                out_events: &out_events,
            };
            // SAFETY: all that the block points to lives through the call.
            let status = unsafe { (*self.plugin).process.unwrap()(self.plugin, &block) };
            for channel in input.iter().chain(&output) {
                assert!(channel[frames..].iter().all(|&x| x == CANARY), "written past the end");
            }
            self.heard = output.first().map_or(Vec::new(), |channel| channel[..frames].to_vec());
            assert!(self.heard.iter().all(|x| x.is_finite()));
            status != CLAP_PROCESS_ERROR
        }

        /// Asks for the parameter after the last.
        pub fn has_param_past_the_last(&self) -> bool {
            let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
            // SAFETY: calls as CLAP describes them, but for the index.
            unsafe {
                let past = params.count.unwrap()(self.plugin);
                let mut info = std::mem::zeroed();
                params.get_info.unwrap()(self.plugin, past, &mut info)
            }
        }

        /// Makes the editor; whether it could be.
        pub fn open(&self) -> bool {
            let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
            // SAFETY: calls as CLAP describes them.
            unsafe { gui.create.unwrap()(self.plugin, CLAP_WINDOW_API_X11.as_ptr(), false) }
        }

        /// Embeds it in no window, and scales it to nothing; whether it took either.
        pub fn embed_in_nothing(&self) -> bool {
            let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
            let nowhere = clap_window {
                api: CLAP_WINDOW_API_X11.as_ptr(),
                specific: clap_window_handle { x11: 0 },
            };
            // SAFETY: calls as CLAP describes them, but for what is given.
            unsafe {
                let mut took = gui.set_parent.unwrap()(self.plugin, &nowhere);
                for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
                    took |= gui.set_scale.unwrap()(self.plugin, scale);
                }
                took |= gui.set_size.unwrap()(self.plugin, 0, 0);
                took | gui.set_parent.unwrap()(self.plugin, ptr::null())
            }
        }

        pub fn close(&self) {
            let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
            // SAFETY: calls as CLAP describes them.
            unsafe { gui.destroy.unwrap()(self.plugin) }
        }
    }

    impl Drop for Raw {
        fn drop(&mut self) {
            // SAFETY: it was made, and nobody calls it any more.
            unsafe { (*self.plugin).destroy.unwrap()(self.plugin) };
            let _ = &self.host;
        }
    }

    /// An event as it lies in a host's list.
    fn bytes(sent: Sent) -> [u64; 8] {
        let header = |size: usize, time: u32, type_: u16| clap_event_header {
            size: size as u32,
            time,
            space_id: CLAP_CORE_EVENT_SPACE_ID,
            type_,
            flags: 0,
        };
        let mut bytes = [0u64; 8];
        // SAFETY: each of them has less than 64 bytes.
        unsafe {
            match sent {
                Sent::Value(time, param_id, value) => {
                    let size = size_of::<clap_event_param_value>();
                    bytes.as_mut_ptr().cast::<clap_event_param_value>().write(
                        clap_event_param_value {
                            header: header(size, time, CLAP_EVENT_PARAM_VALUE),
                            param_id,
                            cookie: ptr::null_mut(),
                            note_id: -1,
                            port_index: -1,
                            channel: -1,
                            key: -1,
                            value,
                        },
                    );
                }
                Sent::Key(time, on, key) => {
                    let kind = if on { CLAP_EVENT_NOTE_ON } else { CLAP_EVENT_NOTE_OFF };
                    let size = size_of::<clap_event_note>();
                    bytes.as_mut_ptr().cast::<clap_event_note>().write(clap_event_note {
                        header: header(size, time, kind),
                        note_id: -1,
                        port_index: 0,
                        channel: 0,
                        key,
                        velocity: 0.8,
                    });
                }
            }
        }
        bytes
    }
}

use clap::{Given, Raw, Sent};
use host::{METER, TUNES};

#[test]
fn events_past_a_block_s_end_or_out_of_order_fall_within_it() {
    for id in [METER, TUNES] {
        let mut raw = Raw::new(id, false);
        let bypass = raw.param("Bypass");
        raw.activate();
        let value = |time, value| Sent::Value(time, bypass, value);
        for (frames, events) in [
            (64, vec![value(64, 1.0)]),
            (64, vec![value(1_000_000, 1.0), value(u32::MAX, 0.0)]),
            (64, vec![value(50, 1.0), value(20, 0.0), Sent::Key(3, true, 60)]),
            (1, vec![value(1, 1.0), Sent::Key(9, false, 60)]),
            (0, vec![value(7, 1.0), value(8, 0.0)]),
            (512, vec![Sent::Key(600, true, 60), value(100, 1.0), value(99, 0.0)]),
        ] {
            assert!(raw.process(&Given::block(frames, &events)), "{frames} frames");
            assert!(raw.sent.iter().all(|note| note.0 < frames.max(1)));
            let last = events.iter().rev().find_map(|event| match event {
                Sent::Value(_, _, value) => Some(*value),
                Sent::Key(..) => None,
            });
            assert_eq!(Some(raw.value(bypass)), last, "the last value holds");
        }
        raw.deactivate();
    }
}

#[test]
fn more_channels_than_the_layout_s_and_fewer_and_ones_that_point_nowhere_end_nothing() {
    for id in [METER, TUNES] {
        let mut raw = Raw::new(id, false);
        raw.activate();
        let there = |channels: usize| vec![true; channels];
        for (input, output) in [
            (there(2), there(3)),
            (there(64), there(64)),
            (there(2), there(1)),
            (there(0), there(2)),
            (there(1), there(2)),
            (there(2), there(0)),
            (vec![true, false], there(2)),
            (there(2), vec![false, true]),
        ] {
            let given = Given { frames: 64, input, output, events: Vec::new() };
            raw.process(&given);
            // What a host leaves in its memory is no input.
            if id == METER && given.input.len() < 2 && given.output.len() == 2 {
                assert!(raw.heard.iter().all(|&x| x == 0.0));
            }
        }
        assert!(raw.process(&Given::block(64, &[])), "it goes on");
        raw.deactivate();
    }
}

#[test]
fn a_plug_in_that_is_not_active_refuses_blocks() {
    for id in [METER, TUNES] {
        let mut raw = Raw::new(id, false);
        assert!(!raw.process(&Given::block(64, &[])));
        raw.activate();
        assert!(raw.process(&Given::block(64, &[])));
        raw.deactivate();
        assert!(!raw.process(&Given::block(64, &[])));
        assert!(!raw.has_param_past_the_last());
    }
}

#[test]
fn a_key_s_end_in_a_block_without_audio_is_heard_with_the_next() {
    let silent: [fn(&mut Given); 3] =
        [|given| given.frames = 0, |given| given.output.clear(), |given| given.output = vec![true]];
    for without_audio in silent {
        let mut raw = Raw::new(TUNES, false);
        let play = raw.param("Play");
        raw.activate();
        // While a key is held.
        raw.process(&Given::block(64, &[Sent::Value(0, play, 3.0)]));
        let mut beginning = Given::block(64, &[Sent::Key(0, true, 62)]);
        without_audio(&mut beginning);
        raw.process(&beginning);
        assert!(raw.sent.is_empty());
        raw.process(&Given::block(64, &[]));
        assert!(raw.sent.iter().any(|note| note.1), "it began");
        let mut end = Given::block(64, &[Sent::Key(0, false, 62)]);
        without_audio(&mut end);
        raw.process(&end);
        raw.process(&Given::block(64, &[]));
        assert!(raw.sent.iter().any(|note| !note.1), "it ended");
        for _ in 0..200 {
            raw.process(&Given::block(512, &[]));
            assert!(raw.sent.is_empty(), "it goes on");
        }
        raw.deactivate();
    }
}

#[test]
fn however_dense_automation_is_its_last_values_hold_and_a_key_falls_on_its_sample() {
    let mut raw = Raw::new(TUNES, false);
    let names =
        ["Transpose", "Swing", "Gate", "Velocity", "Timing variation", "Level", "Chord channel"];
    let params = names.map(|name| raw.param(name));
    let play = raw.param("Play");
    raw.activate();
    raw.process(&Given::block(64, &[Sent::Value(0, play, 3.0)]));
    for frames in [64, 512] {
        let mut events = Vec::new();
        for at in 0..frames {
            for (index, &param) in params.iter().enumerate() {
                let value = f64::from((at + index as u32) % 5) * 0.05;
                // Whole numbers are counted; no timing variation, as it would delay the key's first note.
                let whole = ["Transpose", "Chord channel"].contains(&names[index]);
                let value = match names[index] {
                    "Timing variation" => 0.0,
                    _ if whole => (value * 20.0).round(),
                    _ => value,
                };
                events.push(Sent::Value(at, param, value));
            }
            if at == 45 {
                events.push(Sent::Key(at, true, 62));
            }
        }
        assert!(raw.process(&Given::block(frames, &events)));
        assert_eq!(raw.sent.iter().find(|note| note.1).map(|note| note.0), Some(45));
        for (param, name) in params.iter().zip(names) {
            let last = events.iter().rev().find_map(|event| match event {
                Sent::Value(_, id, value) if id == param => Some(*value),
                _ => None,
            });
            let off = (raw.value(*param) - last.unwrap()).abs();
            assert!(off < 1e-6, "{name} is {off} off");
        }
        raw.process(&Given::block(64, &[Sent::Key(0, false, 62)]));
    }
    raw.deactivate();
}

#[test]
fn an_editor_that_can_t_be_is_refused() {
    for id in [METER, TUNES] {
        assert!(!Raw::new(id, false).open(), "its host has no windows");
        let raw = Raw::new(id, true);
        assert!(!raw.embed_in_nothing());
        if std::env::var_os("DISPLAY").is_none() {
            println!("skipped: no X display");
            continue;
        }
        assert!(raw.open());
        assert!(!raw.embed_in_nothing());
        raw.close();
    }
}
