//! Reads Rust files far enough to tell which file of a crate uses what another file defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::tokens::{is_word, tokens, without_tests};

/// One file of a crate: what it defines, what it imports, and the paths that it names.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Its path in the crate: `["cli", "args"]`.
    path: Vec<String>,
    /// The modules that have files of their own.
    children: BTreeSet<String>,
    /// The inline modules that only list the files of a folder, each with these.
    folders: BTreeMap<String, BTreeSet<String>>,
    /// The names that it defines. The value tells whether it is a trait.
    defined: BTreeMap<String, bool>,
    imports: BTreeMap<String, Import>,
    /// The paths of which it imports everything (`use a::*`).
    globs: Vec<Vec<String>>,
    /// The paths and single names in its text, outside of `use`.
    named: BTreeSet<Vec<String>>,
}

struct Import {
    path: Vec<String>,
    /// `use a::Trait as _` imports without a name.
    unnamed: bool,
    public: bool,
}

/// For each file the files that it uses, with the names that it uses of them.
pub type Uses<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, BTreeSet<String>>>;

/// The files of one crate.
pub struct Crate {
    modules: BTreeMap<Vec<String>, Module>,
}

impl Crate {
    /// Reads the crate of that root file (`lib.rs` or `main.rs`), without its tests.
    pub fn read(root: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut left = vec![(Vec::new(), root.to_owned())];
        while let Some((path, file)) = left.pop() {
            let text = std::fs::read_to_string(&file).unwrap();
            let module = Module::read(path.clone(), file.clone(), &text);
            let name = file.file_stem().unwrap().to_str().unwrap();
            let dir = file.parent().unwrap();
            let dir = if ["lib", "main", "mod"].contains(&name) {
                dir.to_owned()
            } else {
                dir.join(name)
            };
            for (folder, children) in &module.folders {
                let path = [path.as_slice(), std::slice::from_ref(folder)].concat();
                for child in children {
                    let file = dir.join(folder).join(format!("{child}.rs"));
                    left.push(([path.as_slice(), std::slice::from_ref(child)].concat(), file));
                }
                let (file, children) = (file.clone(), children.clone());
                modules.insert(path.clone(), Module { file, path, children, ..Module::default() });
            }
            for child in module.children.iter().filter(|one| !module.folders.contains_key(*one)) {
                let flat = dir.join(format!("{child}.rs"));
                let file = if flat.exists() { flat } else { dir.join(child).join("mod.rs") };
                left.push(([path.as_slice(), std::slice::from_ref(child)].concat(), file));
            }
            modules.insert(path, module);
        }
        Self { modules }
    }

    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.modules.values().map(|module| module.file.as_path())
    }

    /// For each file the other files whose items it uses, and the names by which it does. A file that
    /// only passes a name on (`pub use`) does not use it.
    pub fn uses(&self) -> Uses<'_> {
        // A folder that a file lists has no text of its own.
        let has_text = |module: &&Module| !module.named.is_empty() || !module.imports.is_empty();
        self.modules
            .values()
            .filter(has_text)
            .map(|module| {
                let mut uses = BTreeMap::<&Path, BTreeSet<String>>::new();
                for named in module.used() {
                    if let Some((definer, _)) = self.find(module, &named, 0)
                        && definer.file != module.file
                    {
                        uses.entry(&definer.file).or_default().insert(named.join("::"));
                    }
                }
                for import in module.imports.values() {
                    // A trait that is imported for its methods is named nowhere else.
                    if let Some((definer, true)) = self.find(module, &import.path, 0)
                        && definer.file != module.file
                        && (import.unnamed || !import.public)
                    {
                        uses.entry(&definer.file).or_default().insert(import.path.join("::"));
                    }
                }
                (module.file.as_path(), uses)
            })
            .collect()
    }

    /// The module that defines what a path names in the text of `from`, and whether it is a trait.
    fn find<'a>(
        &'a self,
        from: &'a Module,
        path: &[String],
        depth: usize,
    ) -> Option<(&'a Module, bool)> {
        let mut at = from;
        let mut path = path.iter().peekable();
        let first = path.peek()?.as_str();
        match first {
            "crate" => {
                path.next();
                at = &self.modules[&Vec::new()];
            }
            "self" => drop(path.next()),
            "super" => {}
            // Another crate, the prelude, or a local name.
            _ if !from.knows(first) => return None,
            _ => {}
        }
        while path.next_if(|name| *name == "super").is_some() {
            at = self.modules.get(at.path.split_last()?.1)?;
        }
        loop {
            let name = path.next()?;
            if at.children.contains(name) {
                at = &self.modules[&[at.path.as_slice(), std::slice::from_ref(name)].concat()];
                continue;
            }
            if let Some(is_trait) = at.defined.get(name) {
                return Some((at, *is_trait));
            }
            let rest: Vec<String> = path.cloned().collect();
            // A circle of imports has no definition.
            if depth > 16 {
                return None;
            }
            if let Some(import) = at.imports.get(name) {
                return self.find(at, &[import.path.as_slice(), &rest].concat(), depth + 1);
            }
            for glob in &at.globs {
                let path = [glob.as_slice(), std::slice::from_ref(name), &rest].concat();
                if let Some((found, is_trait)) = self.find(at, &path, depth + 1)
                    && found.defined.contains_key(name)
                {
                    return Some((found, is_trait));
                }
            }
            // A macro of that file makes it.
            return Some((at, false));
        }
    }
}

/// What the `use` lines of a file name, wherever they stand.
pub(crate) struct Imports(Module);

impl Imports {
    pub(crate) fn read(tokens: &[String]) -> Self {
        Self(Module::of(Vec::new(), PathBuf::new(), tokens))
    }

    /// The path that a name was imported by.
    pub(crate) fn path(&self, name: &str) -> Option<&[String]> {
        self.0.imports.get(name).map(|import| import.path.as_slice())
    }

    /// The last names of the paths of which everything is imported.
    pub(crate) fn globs(&self) -> impl Iterator<Item = &str> {
        self.0.globs.iter().filter_map(|path| path.last()).map(String::as_str)
    }
}

impl Module {
    fn read(path: Vec<String>, file: PathBuf, text: &str) -> Self {
        Self::of(path, file, &without_tests(&tokens(text)))
    }

    fn of(path: Vec<String>, file: PathBuf, tokens: &[String]) -> Self {
        let mut module = Self { file, path, ..Self::default() };
        // Braces that are open, and how many of them belong to inline modules.
        let (mut depth, mut inline) = (0usize, 0usize);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1).map(String::as_str);
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth -= 1;
                    inline = inline.min(depth);
                }
                "use" if next.is_some_and(|next| next != "<") => {
                    let public = at > 0 && [")", "pub"].contains(&tokens[at - 1].as_str());
                    at += 1;
                    module.import(tokens, &mut at, &[], public);
                    continue;
                }
                "mod" if depth == inline => {
                    let name = next.unwrap().to_owned();
                    if let Some((children, length)) = listed(&tokens[at + 2..]) {
                        module.children.insert(name.clone());
                        module.folders.insert(name, children);
                        at += 2 + length;
                        continue;
                    }
                    if tokens[at + 2] == "{" {
                        depth += 1;
                        inline += 1;
                        module.defined.insert(name, false);
                    } else {
                        module.children.insert(name);
                    }
                    at += 3;
                    continue;
                }
                "macro_rules" => drop(module.defined.insert(tokens[at + 2].clone(), false)),
                "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static"
                    if depth == inline =>
                {
                    let name = tokens[at + 1..].iter().find(|name| {
                        !["mut", "unsafe", "async", "extern", "fn"].contains(&name.as_str())
                    });
                    module.defined.insert(name.unwrap().clone(), token == "trait");
                }
                word if is_word(word) => {
                    let field = at > 0 && tokens[at - 1] == ".";
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::")
                        && tokens.get(at + 2).is_some_and(|next| is_word(next))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    if !field {
                        module.named.insert(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        module
    }

    /// Reads one tree of a `use`, up to its `,`, `}` or `;`.
    fn import(&mut self, tokens: &[String], at: &mut usize, prefix: &[String], public: bool) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        loop {
            match tokens[*at].as_str() {
                "{" => {
                    while tokens[*at] != "}" {
                        *at += 1;
                        if tokens[*at] != "}" {
                            self.import(tokens, at, &path, public);
                        }
                    }
                    *at += 1;
                    return;
                }
                "*" => {
                    self.globs.push(path);
                    *at += 1;
                    return;
                }
                "as" => {
                    *at += 1;
                    alias = Some(tokens[*at].clone());
                }
                "," | "}" | ";" => break,
                "::" => {}
                // `use a::{self}` imports `a`.
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            *at += 1;
        }
        let unnamed = alias.as_deref() == Some("_");
        let name = match alias {
            Some(name) if !unnamed => name,
            _ => path.last().unwrap().clone(),
        };
        self.imports.insert(name, Import { path, unnamed, public });
    }

    fn knows(&self, name: &str) -> bool {
        self.children.contains(name)
            || self.defined.contains_key(name)
            || self.imports.contains_key(name)
            || !self.globs.is_empty()
    }

    /// The paths in its text that may lead to another file.
    fn used(&self) -> impl Iterator<Item = Vec<String>> {
        self.named.iter().filter_map(|path| {
            let first = path[0].as_str();
            let leads = ["crate", "self", "super"].contains(&first)
                || self.imports.contains_key(first)
                || (path.len() > 1 && self.children.contains(first));
            leads.then(|| path.clone())
        })
    }
}

/// Returns the modules that a block of nothing but `mod name;` lists, and the number of its tokens.
fn listed(block: &[String]) -> Option<(BTreeSet<String>, usize)> {
    let end = block.iter().position(|token| token == "}")?;
    let mut children = BTreeSet::new();
    for item in block.get(1..end)?.split_inclusive(|token| token == ";") {
        let [.., word, name, _] = item else { return None };
        let visible = item.iter().rev().skip(3);
        let known = ["pub", "(", ")", "crate", "super"];
        if word != "mod" || !visible.clone().all(|token| known.contains(&token.as_str())) {
            return None;
        }
        children.insert(name.clone());
    }
    (block[0] == "{" && !children.is_empty()).then_some((children, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let read = Crate::read(&dir.path().join("lib.rs"));
        let name = |file: &Path| file.strip_prefix(dir.path()).unwrap().display().to_string();
        let uses = read.uses();
        uses.iter()
            .flat_map(|(from, to)| to.keys().map(|to| (name(from), name(to))).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn a_file_uses_the_file_that_defines() {
        let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        // To pass a name on is no use; to import it from there leads to where it is defined.
        let passed_on = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "use crate::A; pub struct B(A);"),
        ];
        assert_eq!(edges(&passed_on), [edge("b.rs", "a.rs")]);
        let around = [
            ("lib.rs", "mod a; mod b; pub(crate) struct Root; fn f(x: a::A) {}"),
            (
                "a/mod.rs",
                "mod c; pub use c::*; pub(crate) use c::C as D; pub struct A(crate::Root);",
            ),
            ("a/c.rs", "use std::fmt; pub enum C { X } pub trait T {}"),
            ("b.rs", "use super::a::{self, T as _}; fn f() { a::D::X; }"),
        ];
        assert_eq!(
            edges(&around),
            [edge("a/mod.rs", "lib.rs"), edge("b.rs", "a/c.rs"), edge("lib.rs", "a/mod.rs")]
        );
        let listed = [
            ("lib.rs", "mod a { pub(crate) mod b; mod c; } mod d; fn f(x: d::D) {}"),
            ("a/b.rs", "use super::c::C; pub struct B(C);"),
            ("a/c.rs", "pub struct C(crate::d::D);"),
            ("d.rs", "pub struct D; fn f(b: crate::a::b::B) {}"),
        ];
        let found = [
            edge("a/b.rs", "a/c.rs"),
            edge("a/c.rs", "d.rs"),
            edge("d.rs", "a/b.rs"),
            edge("lib.rs", "d.rs"),
        ];
        assert_eq!(edges(&listed), found);
    }
}
