//! Interface: a window that opens as large as it was closed.
//!
//! The framework makes an editor before it knows what the project keeps, with a size that nobody can change later. So the
//! editor is made anew before it opens, where another size is remembered.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize};
use nice_plug::editor::{Editor, HostMethods, ParentWindowHandle, ResizeHint, SpawnedEditor};
use nice_plug::plugin::TrackInfo;
use nice_plug_egui::baseview::WindowSize;
use nice_plug_egui::{EguiEditor, EguiEditorHandle, EguiEditorState, NiceEguiApp, RepaintNotifier};

use super::remembered::Size;
use super::standalone;

type Make<A> = dyn Fn(Arc<EguiEditorState>, RepaintNotifier) -> Option<EguiEditor<A>> + Send + Sync;
type Remembers = dyn Fn() -> Size + Send + Sync;

/// Has the project keep a window's new size, in points; `usual` is one that nobody chose.
pub fn remember(
    size: WindowSize,
    state: &EguiEditorState,
    usual: Size,
    keep: impl FnOnce(Option<Size>),
) {
    let zoom = f64::from(state.user_scale_factor());
    let points = |length: f64| (length / zoom).round() as f32;
    let size = Size { width: points(size.logical.width), height: points(size.logical.height) };
    keep((size != usual).then_some(size));
}

/// The editor of a plug-in whose window remembers its size.
pub struct Window<A: NiceEguiApp> {
    make: Box<Make<A>>,
    remembers: Box<Remembers>,
    current: Mutex<Current<A>>,
}

struct Current<A: NiceEguiApp> {
    size: Size,
    state: Arc<EguiEditorState>,
    editor: EguiEditor<A>,
}

impl<A: NiceEguiApp> Window<A> {
    /// `make` makes the editor for a state; `remembers` gives the size in points that it is to open with.
    pub fn new(
        remembers: impl Fn() -> Size + Send + Sync + 'static,
        make: impl Fn(Arc<EguiEditorState>, RepaintNotifier) -> Option<EguiEditor<A>>
        + Send
        + Sync
        + 'static,
    ) -> Option<Self> {
        let current = Current::new(remembers(), &make)?;
        Some(Self {
            make: Box::new(make),
            remembers: Box::new(remembers),
            current: Mutex::new(current),
        })
    }

    fn current(&self) -> MutexGuard<'_, Current<A>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let size = (self.remembers)();
        if !current.state.is_open()
            && size != current.size
            && let Some(anew) = Current::new(size, &*self.make)
        {
            *current = anew;
        }
        current
    }
}

impl<A: NiceEguiApp> Current<A> {
    fn new(
        size: Size,
        make: &(impl Fn(Arc<EguiEditorState>, RepaintNotifier) -> Option<EguiEditor<A>> + ?Sized),
    ) -> Option<Self> {
        let points = LogicalSize::new(size.width, size.height);
        let state = EguiEditorState::from_size(points, standalone::scale());
        let editor = make(state.clone(), RepaintNotifier::default())?;
        Some(Self { size, state, editor })
    }
}

impl<A: NiceEguiApp> Editor for Window<A> {
    type Handle = EguiEditorHandle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        self.current().editor.spawn(parent, wait_for_parent, fallback_scale_factor, context, host)
    }

    fn size(&self) -> NativeSize<u32> {
        self.current().editor.size()
    }

    fn resize_hint(&self) -> ResizeHint {
        self.current().editor.resize_hint()
    }

    fn track_info_updated(&self, info: TrackInfo) {
        self.current().editor.track_info_updated(info);
    }
}
