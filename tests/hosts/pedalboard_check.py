"""Interface: the VST3 bundle in pedalboard (JUCE). Takes the bundle's path; exit code 1 where a fact fails.

    python pedalboard_check.py Earworm.vst3
"""

import sys

import numpy as np
import pedalboard


def fact(what, holds):
    print(("ok    " if holds else "FAILS ") + what)
    if not holds:
        fact.failed = True


fact.failed = False


def meter(path):
    plugin = pedalboard.load_plugin(path, plugin_name="Earworm Meter")
    fact("the Meter is an effect", plugin.is_effect and not plugin.is_instrument)
    names = set(plugin.parameters)
    fact(f"the Meter's parameters are listed: {sorted(names)}", {"window_s", "response_s", "bypass"} <= names)
    noise = np.random.default_rng(1)
    for rate in (44_100, 48_000, 96_000):
        for block in (1, 64, 480, 4_096):
            frames = 4_096 if block == 1 else rate
            for channels in (1, 2):
                audio = noise.uniform(-1, 1, (channels, frames)).astype(np.float32)
                heard = plugin.process(audio, rate, buffer_size=block)
                same = heard.shape == audio.shape and np.array_equal(
                    heard.view(np.uint32), audio.view(np.uint32)
                )
                fact(f"null test: {rate} Hz, blocks of {block}, {channels} channels", same)


def tunes(path):
    plugin = pedalboard.load_plugin(path, plugin_name="Earworm Tunes")
    fact("Tunes is an instrument", plugin.is_instrument)
    names = set(plugin.parameters)
    print("      " + ", ".join(sorted(names)))
    expected = {"style", "key", "mode", "bars", "temperature", "seed", "generate", "play", "octave", "chords", "voice"}
    fact("Tunes' parameters are listed", expected <= names)
    # pedalboard shows no transport that rolls; a held key plays the tune.
    plugin.play = "While a key is held"
    held = [([0x90, 62, 100], 0.0), ([0x80, 62, 0], 1.5)]
    audio = plugin(held, duration=2.0, sample_rate=48_000)
    loudest = float(np.abs(audio).max())
    fact(f"a held key is heard in the built-in voice (peak {loudest:.3f})", 0.01 < loudest < 1.0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    meter(sys.argv[1])
    tunes(sys.argv[1])
    sys.exit(1 if fact.failed else 0)
