//! The floors of the house: a room uses the rooms below it and no others.
//!
//! It reads the text of src/ for `crate::room` (and `super::room`, and `ketch::room` in the program), in grouped
//! imports too. Comments may speak of any room.

use std::path::{Path, PathBuf};

/// Every room with its floor. A new room gets a line here.
const FLOORS: &[(&str, u8)] = &[
    ("main", 9),
    ("lib", 9),
    ("cli", 8),
    ("front", 7),
    ("control", 7),
    ("topology", 6),
    ("route", 5),
    ("backend", 4),
    // A leaf: what counts may be used above, and knows nothing but the words that it counts.
    ("metrics", 1),
    ("wire", 1),
    ("ring", 1),
    ("config", 1),
    ("net", 1),
    // What buffers hold: it counts in metrics, and knows nothing else.
    ("memory", 2),
    ("model", 0),
];

#[test]
fn imports_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.contains(&source.join("model/key.rs")), "src is not read: {files:?}");

    let offences: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(&source).unwrap();
            let room = room_of(file);
            let text = std::fs::read_to_string(path).unwrap();
            // A room that uses nothing must be in the table all the same.
            std::iter::once(room.clone())
                .chain(used_rooms(&text))
                .filter_map(move |used| offence(&room, &used))
                .map(move |offence| format!("src/{}: {offence}", file.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_what_it_must() {
    let text = "use crate::model::Key; // crate::cli\nuse crate::{\n    wire::{classic, meta},\n    ring,\n};\n\
                fn f() -> crate::config::Pool { super::super::front::g() }\nuse super::local;";
    assert_eq!(used_rooms(text), ["model", "wire", "ring", "config", "front"]);
    assert_eq!(offence("backend", "wire"), None);
    assert_eq!(offence("metrics", "model"), None);
    for (room, used) in [("wire", "backend"), ("ring", "wire"), ("wire", "metrics"), ("metrics", "config")] {
        assert!(offence(room, used).is_some(), "{room} uses {used}");
    }
    assert!(offence("attic", "model").unwrap().contains("attic is in no floor"));
    assert!(offence("cli", "attic").unwrap().contains("attic is in no floor"));
}

/// What is wrong with one room using another, if anything.
fn offence(room: &str, used: &str) -> Option<String> {
    let floor = |name: &str| FLOORS.iter().find(|(room, _)| *room == name).map(|(_, floor)| *floor);
    let (Some(above), Some(below)) = (floor(room), floor(used)) else {
        let unknown = if floor(room).is_none() { room } else { used };
        return Some(format!("{unknown} is in no floor: add it to the table of tests/floors.rs"));
    };
    if room == used {
        return None;
    }
    if room == "metrics" && used != "model" {
        return Some(format!("metrics is a leaf and uses {used}"));
    }
    (below >= above).then(|| format!("{room} (floor {above}) uses {used} (floor {below})"))
}

/// `backend` for backend.rs, backend/mod.rs and backend/redis/pool.rs.
fn room_of(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names, in its order.
fn used_rooms(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut rooms = Vec::new();
    for (root, any) in [("crate::", true), ("super::", false), ("ketch::", true)] {
        for (at, _) in code.match_indices(root) {
            let names = first_names(&code[at + root.len()..]).into_iter();
            // `super::` names a room only when it climbed out of its own.
            rooms.extend(names.filter(|name| any || FLOORS.iter().any(|(room, _)| room == name)));
        }
    }
    rooms
}

/// `[a, b]` for `{a::x, b::{y, z}}`, `[a]` for `a::x`.
fn first_names(path: &str) -> Vec<String> {
    let name = |part: &str| part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let deeper = |c: char| i32::from(c == '{') - i32::from(c == '}');
    let mut depth = 1;
    let closes = |c: char| {
        depth += deeper(c);
        depth == 0
    };
    let end = group.find(closes).unwrap_or(group.len());
    let mut depth = 0;
    let separates = |c: char| {
        depth += deeper(c);
        depth == 0 && c == ','
    };
    group[..end].split(separates).map(name).filter(|name: &String| !name.is_empty()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
