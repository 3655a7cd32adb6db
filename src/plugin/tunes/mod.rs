//! Real-time: Earworm Tunes as the host calls it.

pub mod editor;
pub mod params;
pub mod shared;

use std::sync::Arc;

use nice_plug::prelude::*;
use nice_plug_egui::EguiEditor;

use self::editor::TunesApp;
use self::params::TunesParams;
use self::shared::TunesShared;

/// A note generator that writes folk tunes and plays them in time with its host.
pub struct Tunes {
    params: Arc<TunesParams>,
    shared: Arc<TunesShared>,
}

impl Default for Tunes {
    fn default() -> Self {
        let shared = Arc::new(TunesShared::new());
        Self { params: Arc::new(TunesParams::new(shared.clone())), shared }
    }
}

impl Plugin for Tunes {
    const NAME: &'static str = "Earworm Tunes";
    const VENDOR: &'static str = "Earworm";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[AudioIOLayout {
        main_input_channels: None,
        main_output_channels: NonZeroU32::new(2),
        ..AudioIOLayout::const_default()
    }];

    const MIDI_INPUT: MidiConfig = MidiConfig::Basic;
    const MIDI_OUTPUT: MidiConfig = MidiConfig::Basic;
    const SAMPLE_ACCURATE_AUTOMATION: bool = true;

    type Editor = EguiEditor<TunesApp>;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        editor::editor(self.params.clone(), self.shared.clone())
    }

    fn process(
        &mut self,
        _buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        _context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        ProcessStatus::KeepAlive
    }
}

impl ClapPlugin for Tunes {
    const CLAP_ID: &'static str = "org.earworm.tunes";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Writes folk tunes and plays them in time with the host");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::Instrument,
        ClapFeature::NoteEffect,
        ClapFeature::Synthesizer,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for Tunes {
    const VST3_CLASS_ID: [u8; 16] = *b"EarwormTunesFolk";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Instrument, Vst3SubCategory::Generator];
}
