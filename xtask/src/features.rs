//! Interface: whether every command builds a dependency the same way.

use std::collections::BTreeSet;

use crate::process;

/// The registry's packages with their features, as a cargo command of these words resolves them.
fn resolved(words: &[&str]) -> BTreeSet<String> {
    let tree = process::read(
        process::cargo()
            .args(["tree", "--locked", "--prefix", "none", "--format", "{p} [{f}]"])
            .args(words),
    )
    .unwrap();
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)").replace(" (proc-macro)", ""))
        .filter(|line| !line.contains(process::root().to_str().unwrap()))
        .collect()
}

#[test]
fn every_command_builds_a_dependency_with_the_same_features() {
    let tests = resolved(&["--workspace", "--edges", "normal,build,dev"]);
    let product = ["--package", "earworm", "--package", "earworm-plugin"];
    let builds: [&[&str]; 4] = [
        &["--workspace"],
        &["--package", "earworm"],
        &[product.as_slice(), &["--package", "measure"]].concat(),
        &[product.as_slice(), &["--package", "earworm-training"]].concat(),
    ];
    for words in builds {
        let build = resolved(&[words, &["--edges", "normal,build"]].concat());
        let other: Vec<_> = build.difference(&tests).collect();
        assert!(other.is_empty(), "{words:?} builds {other:?} otherwise than the tests do");
    }
}
