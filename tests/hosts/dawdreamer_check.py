"""Interface: the VST3 bundle in DawDreamer (JUCE). Takes the bundle's path; exit code 1 where a fact fails.

    python dawdreamer_check.py Earworm.vst3

DawDreamer loads a bundle's first class only: the Meter.
"""

import sys

import dawdreamer
import numpy as np


def main(path):
    failed = False
    for rate in (44_100, 48_000):
        for block in (64, 512):
            engine = dawdreamer.RenderEngine(rate, block)
            audio = np.random.default_rng(2).uniform(-1, 1, (2, 2 * rate)).astype(np.float32)
            playback = engine.make_playback_processor("noise", audio)
            meter = engine.make_plugin_processor("meter", path)
            names = [meter.get_parameter_name(n) for n in range(meter.get_plugin_parameter_size())]
            if not {"Window", "Response", "Bypass"} <= set(names):
                print(f"FAILS the Meter's parameters are listed: {names}")
                failed = True
            engine.load_graph([(playback, []), (meter, ["noise"])])
            engine.render(1.5)
            heard = engine.get_audio()
            same = np.array_equal(heard, audio[:, : heard.shape[1]])
            print(("ok    " if same else "FAILS ") + f"null test: {rate} Hz, blocks of {block}")
            failed |= not same
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
