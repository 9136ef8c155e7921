//! The table *Attacks and bad days* of README.md beside: each of its references leads to a test that is there, or
//! the table would rot as tests are renamed.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// A row that people rely on, with its references.
struct Row<'a> {
    what: &'a str,
    held_by: Vec<&'a str>,
}

/// The rows under the heading, to the end of the file.
fn rows(readme: &str) -> Vec<Row<'_>> {
    let (_, part) = readme.split_once("\n## Attacks and bad days\n").expect("the heading");
    let lines = part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.rsplit_once(" | ").expect("two cells"));
    cells
        .filter(|(_, held_by)| *held_by != "held by")
        .map(|(what, held_by)| Row { what, held_by: references(held_by) })
        .collect()
}

/// What stands in backticks; anything beside commas is a mistake that shows as a reference to nothing.
fn references(cell: &str) -> Vec<&str> {
    cell.split(", ")
        .map(|it| it.strip_prefix('`').and_then(|it| it.strip_suffix('`')).unwrap_or(it))
        .filter(|it| !it.is_empty())
        .collect()
}

/// Whether the reference leads to a test; else what is missing.
fn find(root: &Path, reference: &str) -> Result<(), String> {
    let is_there = |path: String| {
        let is_there = root.join(&path).is_file();
        is_there.then_some(()).ok_or_else(|| format!("there is no {path}"))
    };
    match reference.split_once(' ') {
        Some(("transcript", name)) => is_there(format!("tests/transcripts/{name}.txt")),
        Some(("fuzz", target)) => is_there(format!("fuzz/fuzz_targets/{target}.rs"))
            .or_else(|_| is_there(format!("fuzz/gateway/fuzz_targets/{target}.rs"))),
        Some(("unit", path)) => find_in_rust(&root.join("src"), path),
        Some(("lab", path)) => find_in_lab(&root.join("lab"), path),
        None => find_in_rust(&root.join("tests"), reference),
        Some(_) => Err("of no known kind".to_owned()),
    }
}

/// `a::b::c`: the function `c` in the file `a/b.rs`, or in the module `b` of `a.rs`.
fn find_in_rust(folder: &Path, path: &str) -> Result<(), String> {
    let mut modules: Vec<&str> = path.split("::").collect();
    let function = modules.pop().unwrap_or_default();
    let (file, inner) = (1..=modules.len())
        .rev()
        .find_map(|length| {
            let stem: PathBuf = folder.join(modules[..length].iter().collect::<PathBuf>());
            let files = [stem.with_extension("rs"), stem.join("mod.rs")];
            Some((files.into_iter().find(|it| it.is_file())?, &modules[length..]))
        })
        .ok_or("no file of that name")?;
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let lines: Vec<&str> = text.lines().collect();
    let place = inner.iter().try_fold(lines.as_slice(), |lines, module| within(lines, module));
    let lines = place.ok_or_else(|| format!("no such module in {}", file.display()))?;
    let margin = "    ".repeat(inner.len());
    let named = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.and_then(|rest| rest.strip_prefix(function)).is_some_and(|it| it.starts_with('('))
    };
    // In the braces of `proptest!` it stands one step further in.
    let mut in_macro = false;
    let at = lines.iter().position(|line| {
        let Some(line) = line.strip_prefix(&margin) else { return false };
        if !line.starts_with(' ') && !line.is_empty() {
            in_macro = line == "proptest! {";
        }
        named(line) || in_macro && line.strip_prefix("    ").is_some_and(named)
    });
    let at = at.ok_or_else(|| format!("no {function} in {}", file.display()))?;
    let above = lines[..at].iter().rev().map(|line| line.trim());
    let above = above.take_while(|line| !line.is_empty() && *line != "}");
    let attributes: Vec<&str> = above.filter(|line| line.starts_with("#[")).collect();
    if attributes.iter().any(|it| it.contains("ignore")) {
        return Err(format!("{function} is not run"));
    }
    let is_test = |it: &&str| it.starts_with("#[test]") || it.starts_with("#[tokio::test");
    attributes.iter().any(is_test).then_some(()).ok_or_else(|| format!("{function} is no test"))
}

/// What stands between a module's braces, which are at the same margin.
fn within<'a>(lines: &'a [&'a str], module: &str) -> Option<&'a [&'a str]> {
    let opening = format!("mod {module} {{");
    let begins = |line: &str| {
        let before = line.strip_suffix(opening.as_str())?;
        let word = before.trim_start();
        (word.is_empty() || word.starts_with("pub")).then(|| before.len() - word.len())
    };
    let (at, margin) = lines.iter().enumerate().find_map(|(at, line)| Some((at, begins(line)?)))?;
    let closing = format!("{}}}", " ".repeat(margin));
    let inner = &lines[at + 1..];
    Some(&inner[..inner.iter().position(|line| *line == closing)?])
}

/// `file.Class.test_name`, as unittest names it.
fn find_in_lab(folder: &Path, path: &str) -> Result<(), String> {
    let parts: Vec<&str> = path.split('.').collect();
    let [file, class, test] = parts[..] else { return Err("not FILE.CLASS.TEST".to_owned()) };
    if !test.starts_with("test_") {
        return Err(format!("unittest does not run {test}"));
    }
    let text = fs::read_to_string(folder.join(format!("{file}.py")));
    let text = text.map_err(|_| format!("there is no lab/{file}.py"))?;
    let order =
        fs::read_to_string(folder.join("__main__.py")).map_err(|error| error.to_string())?;
    if !order.contains(&format!("\"{file}\"")) {
        return Err(format!("{file} is not among those that the lab runs"));
    }
    let class_of = |line: &str| {
        let rest = line.strip_prefix("class ")?;
        Some(rest.split(['(', ':']).next().unwrap_or(rest).to_owned())
    };
    let (mut inside, mut found) = (false, false);
    for line in text.lines() {
        inside = class_of(line).map_or(inside, |it| it == class);
        found |= inside && line.starts_with(&format!("    def {test}("));
    }
    found.then_some(()).ok_or_else(|| format!("no {test} in the class {class} of {file}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The published crate holds neither the lab nor the fuzz targets; a checkout does, and so must CI's.
fn is_whole() -> bool {
    let is_whole = root().join("lab").is_dir() || std::env::var("CI").is_ok_and(|it| it == "true");
    if !is_whole {
        // Past the harness, which keeps to itself what a test prints.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the table, which leads to files that are not in this package"
        );
    }
    is_whole
}

#[test]
fn every_row_leads_to_tests_that_are_there() {
    if !is_whole() {
        return;
    }
    let readme = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let rows = rows(&readme);
    assert!(rows.len() > 60, "only {} rows were read", rows.len());
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &rows {
        if row.held_by.is_empty() {
            faults.push(format!("{}: held by nothing", row.what));
        }
        if !seen.insert(row.what) {
            faults.push(format!("{}: stands there twice", row.what));
        }
        for reference in &row.held_by {
            if let Err(fault) = find(root(), reference) {
                faults.push(format!("{}: `{reference}`: {fault}", row.what));
            }
        }
    }
    assert!(faults.is_empty(), "tests/README.md:\n{}", faults.join("\n"));
}

/// Each promise of SECURITY.md names the rows that show it, by their first words.
#[test]
fn every_promise_leads_to_rows() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let (readme, security) = (read("tests/README.md"), read("SECURITY.md"));
    let rows = rows(&readme);
    let (_, part) = security.split_once("\n## From whom, and what is promised\n").unwrap();
    let (part, _) = part.split_once("\n## ").unwrap();
    let lines = part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let named =
        lines.skip(1).flat_map(|line| line.rsplit_once(" | ").expect("cells").1.split("; "));
    let named: Vec<_> = named.collect();
    assert!(named.len() > 30, "only {} were read", named.len());
    let unknown = named.into_iter().filter(|named| {
        let of_one = rows.iter().filter(|row| row.what.starts_with(named)).count() == 1;
        named.is_empty() || !of_one
    });
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&str>::new(), "none, or more than one row");
}

#[test]
fn a_test_that_was_renamed_is_missed() {
    if !is_whole() {
        return;
    }
    for reference in [
        "table::every_row_leads_to_tests_that_are_there",
        "unit secret::tests::debug_shows_nothing",
        "transcript imap/login_atoms",
        "lab test_service.Service.test_ready_reloading_watchdog_and_stopping",
        "fuzz sasl",
    ] {
        assert_eq!(find(root(), reference), Ok(()), "{reference}");
        let renamed = format!("{reference}_x");
        assert!(find(root(), &renamed).is_err(), "{renamed}");
    }
    for wrong in [
        // A function that is no test, a class and a module that are not its own, a kind that nobody knows, no reference.
        "table::find",
        "lab test_service.Other.test_ready_reloading_watchdog_and_stopping",
        "lab world.World.test_x",
        "unit secret::debug::debug_shows_nothing",
        "unit secret::tests::spare_capacity",
        "dream of/a_test",
        "no backticks",
        "",
    ] {
        assert!(find(root(), wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_test_counts_where_it_is_run_and_in_its_own_module() {
    let folder = tempfile::tempdir().unwrap();
    let text = "mod one {\n    #[test]\n    fn inside() {\n    }\n    pub(crate) mod deeper {\n        #[test]\n        \
                fn within() {}\n    }\n}\n\n#[test]\n#[ignore = \"slow\"]\nfn ignored() {\n}\n\n#[test]\nfn run() {\n}\n\n\
                proptest! {\n    #[test]\n    fn drawn(it in any()) {\n    }\n}\n\n\
                mod two {\n    #[tokio::test(start_paused = true)]\n    async fn waits() {}\n}\n";
    fs::write(folder.path().join("file.rs"), text).unwrap();
    let there = |path: &str| find_in_rust(folder.path(), &format!("file::{path}")).is_ok();
    for path in ["one::inside", "one::deeper::within", "run", "drawn", "two::waits"] {
        assert!(there(path), "{path}");
    }
    for path in
        ["ignored", "one::run", "one::waits", "one::within", "inside", "two::inside", "two::run"]
    {
        assert!(!there(path), "{path}");
    }
}

#[test]
fn a_row_without_a_reference_has_none() {
    let readme = "\n## Attacks and bad days\n\n| what | held by |\n|---|---|\n| nothing |  |\n| a `b`, c | `d`, `e::f` |\n";
    let rows: Vec<_> = rows(readme).into_iter().map(|row| (row.what, row.held_by)).collect();
    assert_eq!(rows, [("nothing", vec![]), ("a `b`, c", vec!["d", "e::f"])]);
}
