//! Interface: a window's life in its host's, under X11.
//!
//! Two things that the window library leaves undone there. Whoever clicks into a plug-in's window takes the keyboard away
//! from the host, for good: keys that no text field wants go back to it, so that its transport obeys the space bar. And
//! a window that is shown late, by a host or a window manager that takes its time, would never be painted.
//!
//! Elsewhere the window library hands such keys on by itself, and nothing here does anything.

use nice_plug_egui::baseview::WindowContext;

/// What a window does for its place in a host's.
#[derive(Default)]
pub struct Embedding {
    #[cfg(target_os = "linux")]
    x11: Option<x11::Embedded>,
}

impl Embedding {
    /// Of a window that has just been made and is not shown yet.
    pub fn of(window: &WindowContext) -> Self {
        #[cfg(not(target_os = "linux"))]
        let _ = window;
        Self {
            #[cfg(target_os = "linux")]
            x11: x11::Embedded::of(window),
        }
    }

    /// After each frame: takes the keyboard where a text field or an open dialogue `wants_keys`, and gives it back to the
    /// host where nothing does.
    pub fn settle(&mut self, context: &egui::Context, wants_keys: bool) {
        #[cfg(not(target_os = "linux"))]
        let _ = (context, wants_keys);
        #[cfg(target_os = "linux")]
        if let Some(x11) = &mut self.x11 {
            let wants_keys = wants_keys
                || context.egui_wants_keyboard_input()
                || egui::Popup::is_any_open(context);
            // A quick click is down and up within a frame.
            let (clicked, held) =
                context.input(|input| (input.pointer.any_pressed(), input.pointer.any_down()));
            // Without a connection there is no window either.
            let _ = x11.settle(wants_keys, clicked, held);
        }
    }
}

#[cfg(target_os = "linux")]
mod x11 {
    use std::error::Error;
    use std::ffi::c_void;

    use libloading::Library;
    use nice_plug_egui::baseview::WindowContext;
    use raw_window_handle::{HasDisplayHandle, HasWindowHandle, RawDisplayHandle, RawWindowHandle};
    use x11rb::CURRENT_TIME;
    use x11rb::connection::{Connection, RequestConnection};
    use x11rb::protocol::present::{self, ConnectionExt as _};
    use x11rb::protocol::xproto::{
        AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, InputFocus, Window,
    };
    use x11rb::xcb_ffi::XCBConnection;

    /// A window, seen through the window library's own connection: what a window hears of is each connection's own affair.
    pub struct Embedded {
        connection: XCBConnection,
        window: Window,
        /// Keys come to the window.
        hears_keys: bool,
        /// The window took the keyboard since it was last given back.
        owes: bool,
        /// Keeps the connection's library loaded.
        _library: Library,
    }

    impl Embedded {
        pub fn of(window: &WindowContext) -> Option<Self> {
            let RawDisplayHandle::Xlib(display) = window.display_handle().ok()?.as_raw() else {
                return None;
            };
            let RawWindowHandle::Xlib(handle) = window.window_handle().ok()?.as_raw() else {
                return None;
            };
            // SAFETY: the library and its function are what their names say, and the window library, which has loaded them
            // too, keeps the display open as long as the window lives.
            let (connection, library) = unsafe {
                let library = Library::new("libX11-xcb.so.1").ok()?;
                let connection: *mut c_void = {
                    let get: libloading::Symbol<unsafe extern "C" fn(*mut c_void) -> *mut c_void> =
                        library.get(b"XGetXCBConnection\0").ok()?;
                    get(display.display?.as_ptr())
                };
                (XCBConnection::from_raw_xcb_connection(connection, false).ok()?, library)
            };
            let embedded = Self {
                connection,
                window: Window::try_from(handle.window).ok()?,
                hears_keys: true,
                owes: true,
                _library: library,
            };
            // A frame that was asked for before anybody listens for its time is waited for forever, and the window library
            // listens only once the window is shown.
            let _ = embedded.listen_for_frames();
            Some(embedded)
        }

        fn listen_for_frames(&self) -> Result<(), Box<dyn Error>> {
            if self.connection.extension_information(present::X11_EXTENSION_NAME)?.is_some() {
                let listener = self.connection.generate_id()?;
                let mask = present::EventMask::COMPLETE_NOTIFY;
                self.connection.present_select_input(listener, self.window, mask)?.check()?;
            }
            Ok(())
        }

        pub fn settle(
            &mut self,
            wants_keys: bool,
            clicked: bool,
            held: bool,
        ) -> Result<(), Box<dyn Error>> {
            // The window library takes the keyboard with each click.
            self.owes |= clicked || held || wants_keys;
            if wants_keys {
                return self.hear_keys(true);
            }
            if !self.owes || held {
                return Ok(());
            }
            self.owes = false;
            let host = self.host()?;
            self.hear_keys(host.is_none())?;
            if let Some(host) = host
                && self.connection.get_input_focus()?.reply()?.focus == self.window
            {
                let focus = InputFocus::PARENT;
                self.connection.set_input_focus(focus, host, CURRENT_TIME)?.check()?;
            }
            Ok(())
        }

        /// Has keys come to the window, or go past it: whoever has the keyboard, a key is first given to the window under
        /// the pointer, if that hears keys.
        fn hear_keys(&mut self, hears: bool) -> Result<(), Box<dyn Error>> {
            if hears == self.hears_keys {
                return Ok(());
            }
            let keys = EventMask::KEY_PRESS | EventMask::KEY_RELEASE;
            let now = self.connection.get_window_attributes(self.window)?.reply()?.your_event_mask;
            let mask = match hears {
                true => now | keys,
                false => now.remove(keys),
            };
            let change = ChangeWindowAttributesAux::new().event_mask(mask);
            self.connection.change_window_attributes(self.window, &change)?.check()?;
            self.hears_keys = hears;
            Ok(())
        }

        /// The host's window, of which the window manager knows; `None` where this window stands by itself.
        fn host(&self) -> Result<Option<Window>, Box<dyn Error>> {
            let state = self.connection.intern_atom(true, b"WM_STATE")?.reply()?.atom;
            let (mut window, mut outermost, mut managed) = (self.window, None, None);
            loop {
                let tree = self.connection.query_tree(window)?.reply()?;
                if tree.parent == tree.root || tree.parent == x11rb::NONE {
                    return Ok(managed.or(outermost));
                }
                if window == self.window && self.is_managed(window, state)? {
                    // The frame around it is the window manager's.
                    return Ok(None);
                }
                window = tree.parent;
                outermost = Some(window);
                if self.is_managed(window, state)? {
                    managed = Some(window);
                }
            }
        }

        fn is_managed(&self, window: Window, state: u32) -> Result<bool, Box<dyn Error>> {
            if state == x11rb::NONE {
                return Ok(false);
            }
            let property =
                self.connection.get_property(false, window, state, AtomEnum::ANY, 0, 0)?;
            Ok(property.reply()?.type_ != x11rb::NONE)
        }
    }
}
