//! Interface: a plug-in's editor in an X11 window of the host's.

use std::error::Error;
use std::time::Duration;

use clack_extensions::gui::{GuiApiType, GuiConfiguration, PluginGui, Window};
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ConnectionExt, CreateWindowAux, EventMask, ImageFormat, WindowClass,
};
use x11rb::rust_connection::RustConnection;

use crate::Rack;

/// A display on which windows can be opened.
pub struct Display {
    connection: RustConnection,
    root: u32,
    visual: u32,
}

/// A window with an editor in it. [`Display::close`] closes it; dropped, it stays.
pub struct Editor {
    window: u32,
}

impl Display {
    /// The display that DISPLAY names.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open() -> Result<Self, Box<dyn Error>> {
        let (connection, screen) = x11rb::connect(None)?;
        let screen = &connection.setup().roots[screen];
        let (root, visual) = (screen.root, screen.root_visual);
        Ok(Self { connection, root, visual })
    }

    /// Opens the plug-in's editor.
    ///
    /// # Errors
    /// Where the window or the editor can't be made.
    pub fn show(&self, rack: &mut Rack) -> Result<Editor, Box<dyn Error>> {
        self.show_after(rack, Duration::ZERO)
    }

    /// Opens the plug-in's editor, and shows it so much later than it is embedded.
    ///
    /// # Errors
    /// Where the window or the editor can't be made.
    pub fn show_after(&self, rack: &mut Rack, wait: Duration) -> Result<Editor, Box<dyn Error>> {
        let gui: PluginGui = rack.extension();
        let handle = rack.instance.plugin_handle();
        gui.create(&handle, GuiConfiguration { api_type: GuiApiType::X11, is_floating: false })?;
        let size = gui.get_size(&handle).ok_or("the editor has no size")?;
        let window = self.connection.generate_id()?;
        self.connection.create_window(
            COPY_DEPTH_FROM_PARENT,
            window,
            self.root,
            0,
            0,
            size.width as u16,
            size.height as u16,
            0,
            WindowClass::INPUT_OUTPUT,
            self.visual,
            &CreateWindowAux::new().event_mask(EventMask::KEY_PRESS),
        )?;
        self.connection.map_window(window)?.check()?;
        // SAFETY: the window lives until `close`, which destroys the editor first.
        unsafe { gui.set_parent(&handle, Window::from_x11_handle(window.into()))? };
        std::thread::sleep(wait);
        // Embedded editors are shown with their parent; a plug-in may refuse to do more.
        let _ = gui.show(&handle);
        Ok(Editor { window })
    }

    /// Whether the host's window has the keyboard.
    ///
    /// # Errors
    /// Where the display is gone.
    pub fn host_has_keyboard(&self, editor: &Editor) -> Result<bool, Box<dyn Error>> {
        Ok(self.connection.get_input_focus()?.reply()?.focus == editor.window)
    }

    /// How many keys were pressed that came to the host's window, since this was last asked.
    ///
    /// # Errors
    /// Where the display is gone.
    pub fn keys(&self) -> Result<usize, Box<dyn Error>> {
        let mut keys = 0;
        while let Some(event) = self.connection.poll_for_event()? {
            keys += usize::from(matches!(event, Event::KeyPress(_)));
        }
        Ok(keys)
    }

    /// Whether anything but one colour is seen where the window is.
    ///
    /// # Errors
    /// Where the display is gone.
    pub fn is_painted(&self, editor: &Editor) -> Result<bool, Box<dyn Error>> {
        let size = self.connection.get_geometry(editor.window)?.reply()?;
        let picture = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, size.width, size.height, u32::MAX)?
            .reply()?;
        let pixels: Vec<_> = picture.data.chunks_exact(4).collect();
        Ok(pixels.iter().any(|pixel| *pixel != pixels[0]))
    }

    /// Closes an editor.
    ///
    /// # Errors
    /// Where the display is gone.
    pub fn close(&self, rack: &mut Rack, editor: Editor) -> Result<(), Box<dyn Error>> {
        let gui: PluginGui = rack.extension();
        gui.destroy(&rack.instance.plugin_handle());
        self.connection.destroy_window(editor.window)?.check()?;
        Ok(())
    }
}
