//! Worker: a network's weights from a file of the user's, refused with the reason where they do not fit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use earworm_genre::{GenreError, Network};
use earworm_tunes::Composer;
use earworm_tunes::weights::WeightsError;

/// The longest file that is read, in bytes. The weights that ship have less than 2 MB.
const LONGEST: u64 = 256 << 20;
/// Why a file's weights are not taken.
#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    /// The file can't be read.
    #[error("{}", told(.0))]
    Read(#[from] io::Error),
    /// Longer than any network's weights.
    #[error("it has {0} bytes: too many for a network that runs in real time")]
    TooLong(u64),
    /// The weights of the other network.
    #[error("these are the weights of the {0} network")]
    OtherNetwork(&'static str),
    /// Numbers that can't be calculated with.
    #[error("it is damaged: the network answers with values that are not numbers")]
    NotFinite,
    /// Not the genre network's.
    #[error(transparent)]
    Genre(#[from] GenreError),
    /// Not the tune network's.
    #[error(transparent)]
    Tunes(#[from] WeightsError),
}

fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

impl WeightsFileError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read(_) => "check the path",
            Self::OtherNetwork("genre") => "load them in the Meter, or with `earworm classify`",
            Self::OtherNetwork(_) => "load them in Tunes, or with `earworm generate`",
            Self::Genre(GenreError::Earlier) => {
                "train them anew by `cargo xtask train genre`, or go without: the built-in ones are used"
            }
            Self::Genre(_) | Self::NotFinite => "`cargo xtask train genre` writes weights that fit",
            Self::TooLong(_) | Self::Tunes(_) => "`cargo xtask train` writes weights that fit",
        }
    }
}

/// The genre network in a safetensors file.
pub fn genre(path: &Path) -> Result<Arc<Network>, WeightsFileError> {
    let bytes = read(path)?;
    if holds(&bytes, "facts.weight") {
        return Err(WeightsFileError::OtherNetwork("tune"));
    }
    let network = Network::from_safetensors(&bytes)?;
    if !network.is_finite() {
        return Err(WeightsFileError::NotFinite);
    }
    Ok(Arc::new(network))
}

/// The tune network in a safetensors file.
pub fn tunes(path: &Path) -> Result<Arc<Composer>, WeightsFileError> {
    let bytes = read(path)?;
    if holds(&bytes, "genre.weight") || holds(&bytes, "head.temperature") {
        return Err(WeightsFileError::OtherNetwork("genre"));
    }
    Ok(Arc::new(Composer::from_safetensors(&bytes)?))
}

fn read(path: &Path) -> Result<Vec<u8>, WeightsFileError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > LONGEST {
        return Err(WeightsFileError::TooLong(length));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(bytes: &[u8], tensor: &str) -> bool {
    SafeTensors::deserialize(bytes).is_ok_and(|tensors| tensors.tensor(tensor).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn shipped(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)
    }

    #[test]
    fn the_weights_that_ship_load_from_their_files_too() {
        let tried = genre(&shipped("genre.safetensors")).unwrap();
        assert_eq!(tried.head(), Network::embedded().unwrap().head());
        tunes(&shipped("tunes.safetensors")).unwrap();
    }

    #[test]
    fn the_other_networks_weights_are_refused_by_name() {
        let refused = genre(&shipped("tunes.safetensors")).err().unwrap();
        assert_eq!(refused.to_string(), "these are the weights of the tune network");
        assert!(refused.hint().contains("Tunes"));
        let refused = tunes(&shipped("genre.safetensors")).err().unwrap();
        assert_eq!(refused.to_string(), "these are the weights of the genre network");
        assert!(refused.hint().contains("Meter"));
    }

    #[test]
    fn what_is_absent_damaged_or_no_network_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read(shipped("genre.safetensors")).unwrap();
        let cut = &whole[..whole.len() / 2];
        for (name, bytes) in [("empty", &b""[..]), ("text", b"K:D"), ("cut", cut)] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            for error in [genre(&path).err().unwrap(), tunes(&path).err().unwrap()] {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
        for path in [folder.path().join("absent"), folder.path().to_owned()] {
            for error in [genre(&path).err().unwrap(), tunes(&path).err().unwrap()] {
                assert!(matches!(error, WeightsFileError::Read(_)), "{error}");
            }
        }
    }

    #[test]
    fn weights_that_answer_with_no_numbers_are_refused() {
        let bytes = std::fs::read(shipped("genre.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let bias = tensors.tensor("head.bias").unwrap();
        let at = bias.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let width = bias.data().len() / bias.shape()[0];
        let nan: &[u8] = if width == 2 { &[0xff, 0x7f] } else { &[0xff, 0xff, 0xff, 0x7f] };
        let mut damaged = bytes.clone();
        damaged[at..at + width].copy_from_slice(nan);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nan.safetensors");
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(genre(&path), Err(WeightsFileError::NotFinite)));
    }
}
