//! The rules of the house, kept by a test: which crate may know which, what does no I/O, where Tauri is named, and how
//! long a file may grow. ARCHITECTURE.md says why each of them holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const SHELL: &str = "pilotlight-desktop";

/// Which of our crates each of our crates is built from. The arrows run one way: a line names only crates that stand
/// above it. What only tests need is not in it.
const ARROWS: &[(&str, &[&str])] = &[
    ("json5-edit", &[]),
    ("pilotlight-wire", &[]),
    ("pilotlight-config", &["json5-edit", "pilotlight-wire"]),
    ("pilotlight-runtime", &["pilotlight-wire"]),
    ("pilotlight-ledger", &["pilotlight-wire"]),
    ("pilotlight-gateway", &["pilotlight-wire"]),
    (
        "pilotlight-engine",
        // An edit of the configuration is a value of json5-edit's, which is handed on.
        &[
            "json5-edit",
            "pilotlight-wire",
            "pilotlight-config",
            "pilotlight-runtime",
            "pilotlight-ledger",
            "pilotlight-gateway",
        ],
    ),
    ("pilotlight-simulator", &[]),
    // Measures the built program, so it is built from nothing of ours.
    ("pilotlight-bench", &[]),
    (
        "pilotlight-cli",
        &["json5-edit", "pilotlight-wire", "pilotlight-config", "pilotlight-engine", "pilotlight-simulator"],
    ),
    (SHELL, &["pilotlight-wire", "pilotlight-config", "pilotlight-engine"]),
];

/// What a crate without I/O must not be built from.
const IO_CRATES: &[&str] =
    &["tokio", "reqwest", "hyper", "hyper-util", "axum", "notify", "rusqlite", "tempfile", "tracing-appender"];
/// What a module without I/O must not name. (An address is a value; a socket is not.)
const IO_NAMES: &[&str] = &[
    "std::fs",
    "fs::",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env",
    "env::var",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "reqwest::",
    "notify::",
    "tempfile::",
];
/// The modules of `config` that touch the world: whether a file exists, what is in it, the process's environment. Every other
/// is a pure function of text and values.
const CONFIG_WITH_IO: &[&str] = &[
    "home.rs",
    "location.rs",
    "files.rs",
    "check.rs",
    "connect.rs",
    "agent_files.rs",
    "history.rs",
    "keys.rs",
    "save.rs",
    "store.rs",
    "settings_edit.rs",
    "settings_store.rs",
    "watch.rs",
    "token.rs",
];

const LONGEST_FILE: usize = 600;

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn ours(metadata: &Metadata) -> BTreeMap<String, Package> {
    metadata.workspace_packages().into_iter().map(|package| (package.name.to_string(), package.clone())).collect()
}

fn dependencies(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    package.dependencies.iter().filter(|one| kinds.contains(&one.kind)).map(|one| one.name.clone()).collect()
}

/// Every file below `folder` with one of the extensions, without what is generated or fetched.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["node_modules", "target", "dist", "gen", "bindings", "test-results"].contains(&name.as_str())
                    && !name.starts_with('.')
                {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn source_files() -> Vec<PathBuf> {
    let mut all = files(&root().join("crates"), &["rs"]);
    all.extend(files(&root().join("src-tauri"), &["rs"]));
    all.extend(files(&root().join("tests"), &["rs", "py"]));
    all.extend(files(&root().join("ui"), &["ts", "svelte", "css"]));
    all.extend(files(&root().join("scripts"), &["py", "sh"]));
    assert!(all.len() > 20, "the source was not found");
    all
}

/// A Rust file's own code: without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Fails with every breach at once, so that one run tells all.
#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_arrows_between_our_crates_run_one_way() {
    let packages = ours(&metadata());
    let table: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, built_from)| (*name, built_from.iter().copied().collect())).collect();
    let mut breaches = Vec::new();
    for (name, package) in &packages {
        let Some(allowed) = table.get(name.as_str()) else {
            breaches.push(format!("{name} is not in the table of arrows"));
            continue;
        };
        for arrow in dependencies(package, &[DependencyKind::Normal, DependencyKind::Build]) {
            if packages.contains_key(&arrow) && !allowed.contains(arrow.as_str()) {
                breaches.push(format!("{name} must not know {arrow}"));
            }
        }
        for arrow in dependencies(package, &[DependencyKind::Development]) {
            let known = allowed.contains(arrow.as_str()) || arrow == "pilotlight-simulator";
            if packages.contains_key(&arrow) && !known {
                breaches.push(format!("the tests of {name} must not know {arrow}"));
            }
        }
    }
    let mut above = BTreeSet::new();
    for (name, built_from) in ARROWS {
        for arrow in *built_from {
            assert!(above.contains(arrow), "the table itself: {name} names {arrow}, which stands below it");
        }
        assert!(packages.contains_key(*name), "the table names {name}, which does not exist");
        above.insert(name);
    }
    none(breaches);
}

#[test]
fn only_the_shell_names_tauri() {
    let mut breaches = Vec::new();
    let packages = ours(&metadata());
    for (name, package) in packages.iter().filter(|(name, _)| *name != SHELL) {
        for other in
            dependencies(package, &[DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development])
        {
            if other.starts_with("tauri") || ["wry", "tao", "muda", "tray-icon"].contains(&other.as_str()) {
                breaches.push(format!("{name} depends on {other}"));
            }
        }
    }
    let shell = dependencies(&packages[SHELL], &[DependencyKind::Normal]);
    assert!(shell.contains("tauri"), "the shell is not built from Tauri: this test looks at the wrong package");
    none(breaches);
}

#[test]
fn wire_and_json5_edit_do_no_io() {
    let packages = ours(&metadata());
    let mut breaches = Vec::new();
    for name in ["pilotlight-wire", "json5-edit"] {
        for other in dependencies(&packages[name], &[DependencyKind::Normal]) {
            if IO_CRATES.contains(&other.as_str()) {
                breaches.push(format!("{name} depends on {other}"));
            }
        }
        let folder = packages[name].manifest_path.parent().unwrap().join("src");
        for file in files(folder.as_std_path(), &["rs"]) {
            breaches.extend(io_in(&file));
        }
    }
    none(breaches);
}

#[test]
fn the_typed_part_of_config_does_no_io() {
    let folder = root().join("crates/config/src");
    let mut breaches = Vec::new();
    for file in files(&folder, &["rs"]) {
        let module =
            file.strip_prefix(&folder).unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        // A module's own folder counts as the module, and tests may do what they like.
        let module = if module.ends_with(".rs") { module } else { format!("{module}.rs") };
        if !CONFIG_WITH_IO.contains(&module.as_str()) && !shown(&file).contains("test") {
            breaches.extend(io_in(&file));
        }
    }
    assert!(folder.join("model.rs").exists(), "the typed view is gone: this test looks at nothing");
    none(breaches);
}

fn io_in(file: &Path) -> Vec<String> {
    let code = code(file);
    let named = IO_NAMES.iter().filter(|name| code.contains(**name));
    named.map(|name| format!("{} names {name}", shown(file))).collect()
}

#[test]
fn the_gateway_has_never_heard_of_openclaw() {
    let breaches = files(&root().join("crates/gateway/src"), &["rs"])
        .iter()
        .filter(|file| code(file).to_lowercase().contains("openclaw"))
        .map(|file| format!("{} names OpenClaw in its code", shown(file)))
        .collect();
    none(breaches);
}

#[test]
fn the_window_imports_tauri_in_one_file() {
    let importing: Vec<String> = files(&root().join("ui/src"), &["ts", "svelte", "js"])
        .iter()
        .filter(|file| fs::read_to_string(file).unwrap().contains("@tauri-apps/"))
        .map(|file| shown(file))
        .collect();
    assert_eq!(importing, ["ui/src/lib/backend/tauri.ts"]);
}

#[test]
fn a_secret_cannot_be_serialized_and_prints_as_redacted() {
    use pilotlight_wire::Secret;

    /// Implemented twice for whatever can be serialized, so that naming it for such a type does not compile.
    trait Ambiguous<Which> {
        fn proof() -> &'static str {
            "no Serialize"
        }
    }
    struct Serializable;
    impl<T: ?Sized> Ambiguous<()> for T {}
    impl<T: ?Sized + serde::Serialize> Ambiguous<Serializable> for T {}

    // When this line does not compile ("type annotations needed"), Secret has got a Serialize.
    assert_eq!(<Secret as Ambiguous<_>>::proof(), "no Serialize");
    let secret = Secret::new("sk-live");
    assert_eq!(format!("{secret:?} {secret}"), "<redacted> <redacted>");
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let breaches = source_files()
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//! "))
        .map(|file| format!("{} does not begin with `//! `", shown(file)))
        .collect();
    none(breaches);
}

#[test]
fn no_file_is_too_long_to_read() {
    let breaches = source_files()
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{} has {lines} lines: {LONGEST_FILE} at most", shown(file)))
        .collect();
    none(breaches);
}

#[test]
fn every_crate_obeys_the_workspaces_lints() {
    let breaches = ours(&metadata())
        .values()
        .filter(|package| {
            let manifest = fs::read_to_string(&package.manifest_path).unwrap();
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|package| format!("{} does not say `[lints] workspace = true`", package.name))
        .collect();
    none(breaches);
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
}
