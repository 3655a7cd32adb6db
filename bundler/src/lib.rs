//! Core: lays a built library out as the CLAP and VST3 formats prescribe.
//!
//! - CLAP (`clap/entry.h`): on Linux and Windows the library itself, renamed to `.clap`; on macOS a
//!   bundle whose library lies in `Contents/MacOS`.
//! - VST3 ("Plug-in Format Structure" in Steinberg's developer portal): a folder `NAME.vst3` with
//!   `Contents/ARCH-OS/NAME.so` (Linux), `Contents/ARCH-win/NAME.vst3` (Windows) or
//!   `Contents/MacOS/NAME` (macOS).
//!
//! A bundle is made beside its place and then moved there, so that a host that scans meanwhile never
//! loads half of one.

use std::env::consts::{ARCH, DLL_PREFIX, DLL_SUFFIX, OS};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The two plug-in formats that one library exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CLever Audio Plug-in.
    Clap,
    /// Steinberg's VST 3.
    Vst3,
}

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The library was not where it should have been built.
    #[error("no library at {path}: build it first")]
    NoLibrary {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The system that this runs on has no place in the format.
    #[error("no {format:?} layout is known for {os} on {arch}")]
    UnknownSystem {
        /// The format asked for.
        format: Format,
        /// The operating system, as Rust names it.
        os: &'static str,
        /// The processor, as Rust names it.
        arch: &'static str,
    },
    /// The user's plug-in folder depends on the home folder, and none is set.
    #[error("the home folder is unknown: set HOME (on Windows LOCALAPPDATA)")]
    NoHome,
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Format {
    /// Both formats, in the order in which they are made.
    pub const ALL: [Format; 2] = [Format::Clap, Format::Vst3];

    /// The ending of a bundle's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Clap => "clap",
            Format::Vst3 => "vst3",
        }
    }

    /// Where the library lies inside the bundle `NAME.extension`, for the system this runs on;
    /// an empty path where the bundle is the library itself.
    ///
    /// # Errors
    /// [`BundleError::UnknownSystem`] where the format does not say.
    pub fn library_place(self, name: &str) -> Result<PathBuf, BundleError> {
        let unknown = BundleError::UnknownSystem { format: self, os: OS, arch: ARCH };
        // VST3 names the processor as `uname -m` does, with Windows' own words for Arm.
        let arch = match (ARCH, OS) {
            ("x86_64" | "aarch64", "linux") => ARCH,
            ("x86", "linux") => "i386",
            ("x86_64", "windows") => ARCH,
            ("x86", "windows") => "x86",
            ("aarch64", "windows") => "arm64",
            (_, "macos") => "",
            _ if self == Format::Clap && matches!(OS, "linux" | "windows") => "",
            _ => return Err(unknown),
        };
        match (self, OS) {
            (_, "macos") => Ok(["Contents", "MacOS", name].iter().collect()),
            (Format::Clap, _) => Ok(PathBuf::new()),
            (Format::Vst3, "linux") => {
                Ok(["Contents", &format!("{arch}-linux"), &format!("{name}.so")].iter().collect())
            }
            (Format::Vst3, _) => {
                Ok(["Contents", &format!("{arch}-win"), &format!("{name}.vst3")].iter().collect())
            }
        }
    }

    /// The folder in which hosts look for one user's plug-ins of this format.
    ///
    /// # Errors
    /// [`BundleError::NoHome`] where the environment does not name the home folder.
    pub fn user_folder(self) -> Result<PathBuf, BundleError> {
        let home = |variable: &str| {
            std::env::var_os(variable)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
                .ok_or(BundleError::NoHome)
        };
        Ok(match (self, OS) {
            (Format::Clap, "macos") => home("HOME")?.join("Library/Audio/Plug-Ins/CLAP"),
            (Format::Vst3, "macos") => home("HOME")?.join("Library/Audio/Plug-Ins/VST3"),
            (Format::Clap, "windows") => home("LOCALAPPDATA")?.join("Programs/Common/CLAP"),
            (Format::Vst3, "windows") => home("LOCALAPPDATA")?.join("Programs/Common/VST3"),
            (Format::Clap, _) => home("HOME")?.join(".clap"),
            (Format::Vst3, _) => home("HOME")?.join(".vst3"),
        })
    }
}

/// The name that cargo gives the dynamic library of `package` on this system.
pub fn library_name(package: &str) -> String {
    format!("{DLL_PREFIX}{}{DLL_SUFFIX}", package.replace('-', "_"))
}

/// Makes the bundle `folder/NAME.extension` from `library` and returns its path. What stood there
/// before is replaced.
///
/// # Errors
/// [`BundleError`], and then what stood there before still stands.
pub fn bundle(
    format: Format,
    name: &str,
    library: &Path,
    folder: &Path,
) -> Result<PathBuf, BundleError> {
    if !library.is_file() {
        return Err(BundleError::NoLibrary { path: library.to_owned() });
    }
    let place = format.library_place(name)?;
    fs::create_dir_all(folder).map_err(at(folder))?;
    let target = folder.join(format!("{name}.{}", format.extension()));
    let made = folder.join(format!(".{name}.{}.new", format.extension()));
    remove(&made)?;
    let inside = if place.as_os_str().is_empty() { made.clone() } else { made.join(&place) };
    if let Some(parent) = inside.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::copy(library, &inside).map_err(at(&inside))?;
    if OS == "macos" {
        let list = made.join("Contents/Info.plist");
        fs::write(&list, property_list(name)).map_err(at(&list))?;
        let kind = made.join("Contents/PkgInfo");
        fs::write(&kind, "BNDL????").map_err(at(&kind))?;
    }
    replace(&made, &target)?;
    Ok(target)
}

/// Copies a finished bundle into the user's plug-in folder and returns where it now lies.
///
/// # Errors
/// [`BundleError`], and then what was installed before still is.
pub fn install(format: Format, bundle: &Path) -> Result<PathBuf, BundleError> {
    install_into(bundle, &format.user_folder()?)
}

fn install_into(bundle: &Path, folder: &Path) -> Result<PathBuf, BundleError> {
    let Some(name) = bundle.file_name().filter(|_| bundle.exists()) else {
        return Err(BundleError::NoLibrary { path: bundle.to_owned() });
    };
    fs::create_dir_all(folder).map_err(at(folder))?;
    let target = folder.join(name);
    let made = folder.join(format!(".{}.new", name.to_string_lossy()));
    remove(&made)?;
    copy_tree(bundle, &made)?;
    replace(&made, &target)?;
    Ok(target)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), BundleError> {
    if from.is_file() {
        fs::copy(from, to).map_err(at(to))?;
        return Ok(());
    }
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Moves `made` to `target`; the old `target` comes back where the move fails.
fn replace(made: &Path, target: &Path) -> Result<(), BundleError> {
    if !target.exists() || (target.is_file() && made.is_file()) {
        return fs::rename(made, target).map_err(at(target));
    }
    let mut old = target.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    remove(&old)?;
    fs::rename(target, &old).map_err(at(target))?;
    if let Err(source) = fs::rename(made, target) {
        let _ = fs::rename(&old, target);
        return Err(BundleError::Io { path: target.to_owned(), source });
    }
    remove(&old)
}

fn remove(path: &Path) -> Result<(), BundleError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BundleError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Io { path, source }
}

fn property_list(name: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>CFBundleExecutable</key><string>{name}</string>
  <key>CFBundleIdentifier</key><string>org.earworm.{}</string>
  <key>CFBundleName</key><string>{name}</string>
  <key>CFBundlePackageType</key><string>BNDL</string>
  <key>CFBundleSignature</key><string>????</string>
  <key>CFBundleShortVersionString</key><string>{version}</string>
  <key>CFBundleVersion</key><string>{version}</string>
</dict>
</plist>
"#,
        name.to_lowercase(),
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("earworm-bundler-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_missing_library_leaves_the_old_bundle_in_place() {
        let folder = folder("missing");
        let library = folder.join("built");
        fs::write(&library, "first").unwrap();
        let target = bundle(Format::Clap, "Tune", &library, &folder).unwrap();
        let error = bundle(Format::Clap, "Tune", &folder.join("absent"), &folder).unwrap_err();
        assert!(matches!(error, BundleError::NoLibrary { .. }));
        let inside = target.join(Format::Clap.library_place("Tune").unwrap());
        let inside = if inside.is_file() { inside } else { target };
        assert_eq!(fs::read_to_string(inside).unwrap(), "first");
    }

    #[test]
    fn bundling_again_replaces_the_library_and_leaves_nothing_beside_it() {
        let folder = folder("again");
        let library = folder.join("built");
        for text in ["first", "second"] {
            fs::write(&library, text).unwrap();
            for format in Format::ALL {
                bundle(format, "Tune", &library, &folder.join("out")).unwrap();
            }
        }
        let vst3 = folder.join("out/Tune.vst3").join(Format::Vst3.library_place("Tune").unwrap());
        assert_eq!(fs::read_to_string(vst3).unwrap(), "second");
        let mut names: Vec<_> =
            fs::read_dir(folder.join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["Tune.clap", "Tune.vst3"]);
    }

    #[test]
    fn an_installed_bundle_is_the_same_tree() {
        let folder = folder("install");
        let library = folder.join("built");
        fs::write(&library, "code").unwrap();
        let made = bundle(Format::Vst3, "Tune", &library, &folder.join("out")).unwrap();
        let installed = install_into(&made, &folder.join("user")).unwrap();
        let place = Format::Vst3.library_place("Tune").unwrap();
        assert_eq!(fs::read(installed.join(&place)).unwrap(), fs::read(made.join(&place)).unwrap());
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn on_linux_a_clap_is_the_library_and_a_vst3_holds_it_by_processor() {
        assert_eq!(Format::Clap.library_place("Earworm").unwrap(), PathBuf::new());
        assert_eq!(
            Format::Vst3.library_place("Earworm").unwrap(),
            Path::new("Contents/x86_64-linux/Earworm.so")
        );
    }
}
