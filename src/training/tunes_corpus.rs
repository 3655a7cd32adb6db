//! Interface: the tune collections as training, evaluation and the baselines see them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use earworm_tunes::normalise::{self, LeftOut, Origin};
use earworm_tunes::plain::PlainTune;

/// A tune in plain form and the folder that it was found in.
#[derive(Clone)]
pub struct Collected {
    /// The tune.
    pub tune: PlainTune,
    /// The folder's name.
    pub collection: String,
}

/// Tunes in plain form and what became of the others.
pub struct Corpus {
    /// In the order of files and of the tunes in them, one of each text.
    pub tunes: Vec<Collected>,
    /// How many of them, from the first on, are of the collections that are split by themselves.
    pub first: usize,
    /// How many tunes were left out, by reason.
    pub left_out: BTreeMap<LeftOut, usize>,
    /// Tunes whose plain form another had already.
    pub doubles: usize,
    /// Tunes found.
    pub found: usize,
}

/// Training tunes, and those kept apart to validate with.
pub struct Sides {
    /// To learn from.
    pub train: Vec<Collected>,
    /// To measure with.
    pub valid: Vec<Collected>,
    /// How many of `valid`, from the first on, are of the first collections.
    pub valid_first: usize,
}

/// The texts of tunes.
pub fn texts(tunes: &[Collected]) -> Vec<String> {
    tunes.iter().map(|collected| collected.tune.text()).collect()
}

impl Corpus {
    /// Reads every `.abc` file in and under `paths`, and then those of `also`, which change nothing of how the first
    /// are split.
    pub fn read(paths: &[PathBuf], also: &[PathBuf]) -> anyhow::Result<Self> {
        let mut corpus =
            Self { tunes: Vec::new(), first: 0, left_out: BTreeMap::new(), doubles: 0, found: 0 };
        let mut seen = HashSet::new();
        corpus.add(paths, &mut seen)?;
        corpus.first = corpus.tunes.len();
        corpus.add(also, &mut seen)?;
        anyhow::ensure!(
            !corpus.tunes.is_empty(),
            "no tune in {paths:?}; give folders or .abc files"
        );
        Ok(corpus)
    }

    fn add(&mut self, paths: &[PathBuf], seen: &mut HashSet<String>) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for path in paths {
            collect(path, &mut files).with_context(|| format!("can't read {}", path.display()))?;
        }
        files.sort();
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
                self.found += 1;
                match normalise::plain(abc, Origin { file: &stem, folder: &folder }) {
                    Ok(tune) => {
                        if seen.insert(tune.text()) {
                            self.tunes.push(Collected { tune, collection: folder.clone() });
                        } else {
                            self.doubles += 1;
                        }
                    }
                    Err(reason) => *self.left_out.entry(reason).or_default() += 1,
                }
            }
        }
        Ok(())
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
    /// side follows from the melodies themselves. The first collections are split as if there were no others; a
    /// family of the others goes where its relations among them are, or nowhere if those stand on both sides.
    pub fn split(self) -> Sides {
        let passages: Vec<Vec<u64>> = self
            .tunes
            .iter()
            .map(|collected| {
                let mut hashes: Vec<u64> = collected.tune.contour().windows(12).map(hash).collect();
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
        // Relations between a tune of the first collections and one of the others.
        let mut across: Vec<(usize, usize)> = Vec::new();
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
                if count * 4 < hashes.len().min(passages[other].len()) {
                    continue;
                }
                if (tune < self.first) == (other < self.first) {
                    let (a, b) = (root(&mut parent, tune), root(&mut parent, other));
                    parent[a.max(b)] = a.min(b);
                } else {
                    across.push((other, tune));
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
        // The least of many hashes is small: mix it before taking a share.
        let held_out = |family: usize| {
            smallest[&family].wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / 12
        };
        // Families of the other collections by the sides on which they have relations: (training, validation).
        let mut bound: HashMap<usize, (bool, bool)> = HashMap::new();
        for (first, other) in across {
            let side = held_out(root(&mut parent, first));
            let family = bound.entry(root(&mut parent, other)).or_default();
            family.0 |= !side;
            family.1 |= side;
        }
        let mut sides = Sides { train: Vec::new(), valid: Vec::new(), valid_first: 0 };
        for (index, collected) in self.tunes.into_iter().enumerate() {
            let family = root(&mut parent, index);
            let is_valid = match bound.get(&family) {
                Some((true, true)) => continue,
                Some((_, side)) => *side,
                None => held_out(family),
            };
            if is_valid {
                sides.valid_first += usize::from(index < self.first);
                sides.valid.push(collected);
            } else {
                sides.train.push(collected);
            }
        }
        sides
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
