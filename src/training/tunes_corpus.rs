//! Interface: the tune collections as training, evaluation and the baselines see them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use earworm_tunes::normalise::{self, LeftOut, Origin};
use earworm_tunes::plain::PlainTune;

/// Tunes in plain form and what became of the others.
pub struct Corpus {
    /// In the order of files and of the tunes in them, one of each text.
    pub tunes: Vec<PlainTune>,
    /// How many tunes were left out, by reason.
    pub left_out: BTreeMap<LeftOut, usize>,
    /// Tunes whose plain form another had already.
    pub doubles: usize,
    /// Tunes found.
    pub found: usize,
}

impl Corpus {
    /// Reads every `.abc` file in and under `paths`.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            collect(path, &mut files).with_context(|| format!("can't read {}", path.display()))?;
        }
        files.sort();
        let mut corpus =
            Self { tunes: Vec::new(), left_out: BTreeMap::new(), doubles: 0, found: 0 };
        let mut seen = std::collections::HashSet::new();
        for file in &files {
            let bytes =
                std::fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            let name = |part: Option<&std::ffi::OsStr>| {
                part.and_then(|part| part.to_str()).unwrap_or("").to_owned()
            };
            let (stem, folder) =
                (name(file.file_stem()), name(file.parent().and_then(Path::file_name)));
            for abc in normalise::tunes(&text) {
                corpus.found += 1;
                match normalise::plain(abc, Origin { file: &stem, folder: &folder }) {
                    Ok(tune) => {
                        if seen.insert(tune.text()) {
                            corpus.tunes.push(tune);
                        } else {
                            corpus.doubles += 1;
                        }
                    }
                    Err(reason) => *corpus.left_out.entry(reason).or_default() += 1,
                }
            }
        }
        anyhow::ensure!(
            !corpus.tunes.is_empty(),
            "no tune in {paths:?}; give folders or .abc files"
        );
        Ok(corpus)
    }

    /// Says what was found and left out.
    pub fn describe(&self) -> String {
        let mut text = format!("{} tunes found, {} in plain form", self.found, self.tunes.len());
        if self.doubles > 0 {
            text += &format!(", {} the same as another", self.doubles);
        }
        for (reason, count) in &self.left_out {
            text += &format!(", {count} left out ({reason})");
        }
        text
    }

    /// Training and validation tunes. One melody, in whatever key, collection or setting, stays on one side: tunes
    /// that share a quarter of their twelve-note passages (as staff steps between notes) are kept together. The
    /// side follows from the melodies themselves.
    pub fn split(self) -> (Vec<PlainTune>, Vec<PlainTune>) {
        let passages: Vec<Vec<u64>> = self
            .tunes
            .iter()
            .map(|tune| {
                let mut hashes: Vec<u64> = tune.contour().windows(12).map(hash).collect();
                hashes.sort_unstable();
                hashes.dedup();
                hashes
            })
            .collect();
        let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
        for (tune, hashes) in passages.iter().enumerate() {
            for &hash in hashes {
                holders.entry(hash).or_default().push(tune);
            }
        }
        let mut parent: Vec<usize> = (0..self.tunes.len()).collect();
        fn root(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        for (tune, hashes) in passages.iter().enumerate() {
            let mut shared: HashMap<usize, usize> = HashMap::new();
            for hash in hashes {
                for &other in &holders[hash] {
                    if other < tune {
                        *shared.entry(other).or_default() += 1;
                    }
                }
            }
            for (other, count) in shared {
                if count * 4 >= hashes.len().min(passages[other].len()) {
                    let (a, b) = (root(&mut parent, tune), root(&mut parent, other));
                    parent[a.max(b)] = a.min(b);
                }
            }
        }
        // A family's side: by the smallest passage hash in it, which no file order changes.
        let mut smallest: HashMap<usize, u64> = HashMap::new();
        for (tune, hashes) in passages.iter().enumerate() {
            let family = root(&mut parent, tune);
            let least = hashes.iter().copied().min().unwrap_or(0);
            smallest.entry(family).and_modify(|found| *found = least.min(*found)).or_insert(least);
        }
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for (index, tune) in self.tunes.into_iter().enumerate() {
            let side = smallest[&root(&mut parent, index)];
            // The least of many hashes is small: mix it before taking a share.
            if side.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / 12 {
                valid.push(tune);
            } else {
                train.push(tune);
            }
        }
        (train, valid)
    }
}

/// FNV-1a.
fn hash(steps: &[i8]) -> u64 {
    steps.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &step| {
        (hash ^ u64::from(step as u8)).wrapping_mul(0x100_0000_01b3)
    })
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.is_dir() || path.extension().is_some_and(|extension| extension == "abc") {
                collect(&path, files)?;
            }
        }
    } else {
        std::fs::metadata(path)?;
        files.push(path.to_owned());
    }
    Ok(())
}
