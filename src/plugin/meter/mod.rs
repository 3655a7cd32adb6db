//! Real-time: Earworm Meter as the host calls it.

pub mod editor;
pub mod params;
pub mod shared;

use std::sync::Arc;

use nice_plug::prelude::*;
use nice_plug_egui::EguiEditor;

use self::editor::MeterApp;
use self::params::MeterParams;
use self::shared::MeterShared;

/// An audio effect that names the genre of what passes through it and leaves every bit as it was.
pub struct Meter {
    params: Arc<MeterParams>,
    shared: Arc<MeterShared>,
}

impl Default for Meter {
    fn default() -> Self {
        let shared = Arc::new(MeterShared::default());
        Self { params: Arc::new(MeterParams::new(shared.clone())), shared }
    }
}

impl Plugin for Meter {
    const NAME: &'static str = "Earworm Meter";
    const VENDOR: &'static str = "Earworm";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(2),
            main_output_channels: NonZeroU32::new(2),
            ..AudioIOLayout::const_default()
        },
        AudioIOLayout {
            main_input_channels: NonZeroU32::new(1),
            main_output_channels: NonZeroU32::new(1),
            ..AudioIOLayout::const_default()
        },
    ];

    type Editor = EguiEditor<MeterApp>;
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
        ProcessStatus::Normal
    }
}

impl ClapPlugin for Meter {
    const CLAP_ID: &'static str = "org.earworm.meter";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Names the genre of the mix that passes through it");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Analyzer,
        ClapFeature::Utility,
        ClapFeature::Stereo,
        ClapFeature::Mono,
    ];
}

impl Vst3Plugin for Meter {
    const VST3_CLASS_ID: [u8; 16] = *b"EarwormMeterGenr";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer];
}
