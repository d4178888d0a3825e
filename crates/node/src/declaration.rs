//! Keyspace declarations: what must hold for which data.
//!
//! **Problem:** a store's guarantee is usually found in its manual, long after the code that relies on it was written.
//! **Idea:** each keyspace declares its consistency level in the cluster's configuration, and everything that can be refused
//! because of it is refused: a level that is not built when the file is read, an operation that the level cannot honour when
//! it is asked for.
//! **Invariant:** a [`Declarations`] value holds only keyspaces that this build can serve as declared, each with a group of
//! its own, `default` among them.
//!
//! ```toml
//! [[keyspace]]
//! name = "orders"
//! level = "linearizable"
//!
//! [[keyspace]]
//! name = "catalogue"
//! level = "sequential"
//! ```

use quorate_types::{GroupId, RowHash, StateHash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The keyspace of requests that name none. It always exists and is linearizable, because that is what etcd's clients rely on.
pub const DEFAULT_KEYSPACE: &str = "default";
/// The group of [`DEFAULT_KEYSPACE`].
pub const DEFAULT_GROUP: GroupId = GroupId(1);
/// Keyspaces of one cluster. Each costs a Raft group, so heartbeats of its own.
pub const MAX_KEYSPACES: usize = 64;
/// Bytes of a keyspace's name, which is also the name of a directory.
pub const MAX_NAME_LEN_BYTES: usize = 63;

/// What holds for the reads and writes of a keyspace, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every operation takes effect at one moment between its call and its answer.
    Linearizable,
    /// All see the same order of writes, which keeps each session's order; reads may lag.
    Sequential,
    /// What may have caused a write is seen before it; concurrent writes merge.
    Causal,
    /// Replicas that hear the same writes end in the same state.
    Eventual,
}

impl Level {
    /// All, strongest first.
    pub const ALL: [Level; 4] = [Level::Linearizable, Level::Sequential, Level::Causal, Level::Eventual];

    /// Whether this build can serve it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Level::Linearizable | Level::Sequential => true,
            Level::Causal | Level::Eventual => false,
        }
    }

    /// Whether a write may depend on what is there: compare-and-set, locks, uniqueness.
    #[must_use]
    pub fn allows_conditional_writes(self) -> bool {
        self == Level::Linearizable
    }

    /// Whether a read of this keyspace may be asked for at `asked`: a request may weaken its keyspace's level, never strengthen it.
    #[must_use]
    pub fn allows_read_at(self, asked: Level) -> bool {
        self <= asked
    }

    /// Its name in declarations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Linearizable => "linearizable",
            Level::Sequential => "sequential",
            Level::Causal => "causal",
            Level::Eventual => "eventual",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an acknowledged write has survived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is synced to the disks of a quorum.
    #[default]
    Disk,
    /// It is in the memory of a quorum.
    Memory,
}

impl Durability {
    /// Its name in declarations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        }
    }
}

/// One declared keyspace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyspace {
    /// Lower-case letters, digits and `-`, from a letter on; at most [`MAX_NAME_LEN_BYTES`].
    pub name: String,
    /// What holds for its reads and writes.
    pub level: Level,
    /// What an acknowledged write has survived.
    #[serde(default)]
    pub durability: Durability,
}

impl Keyspace {
    /// The declaration in one line, equal exactly for equal declarations.
    #[must_use]
    pub fn canonical_line(&self) -> String {
        format!("{} {} {}", self.name, self.level, self.durability.name())
    }

    /// The Raft group that holds it: drawn from the name alone, so that neither the order in the file nor what is declared
    /// beside it matters.
    #[must_use]
    pub fn group(&self) -> GroupId {
        if self.name == DEFAULT_KEYSPACE {
            return DEFAULT_GROUP;
        }
        let mut hash = StateHash::default();
        hash.add(&RowHash::new().part(self.name.as_bytes()));
        let folded = u32::try_from(hash.0 & u128::from(u32::MAX)).expect("32 bits fit in u32");
        // 0 is never used; 1 is the default keyspace's.
        GroupId(folded.max(DEFAULT_GROUP.0 + 1))
    }
}

/// The keyspaces of a cluster, all of which can be served as declared. Equal on every member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declarations {
    /// By name.
    keyspaces: BTreeMap<String, Keyspace>,
}

/// What a declaration file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keyspace: Vec<Keyspace>,
}

impl Default for Declarations {
    /// Only the default keyspace.
    fn default() -> Self {
        let default = Keyspace {
            name: DEFAULT_KEYSPACE.to_owned(),
            level: Level::Linearizable,
            durability: Durability::default(),
        };
        Declarations { keyspaces: BTreeMap::from([(default.name.clone(), default)]) }
    }
}

impl Declarations {
    /// Reads the TOML text of a declaration file.
    ///
    /// # Errors
    /// The first thing in it that this build cannot serve, or that is not a declaration.
    pub fn parse(text: &str) -> Result<Declarations, DeclarationError> {
        let file: File = toml::from_str(text).map_err(DeclarationError::NotADeclaration)?;
        let mut declared = Declarations { keyspaces: BTreeMap::new() };
        for keyspace in file.keyspace {
            declared.add(keyspace)?;
        }
        for (name, keyspace) in Declarations::default().keyspaces {
            declared.keyspaces.entry(name).or_insert(keyspace);
        }
        if declared.keyspaces.len() > MAX_KEYSPACES {
            return Err(DeclarationError::TooMany);
        }
        Ok(declared)
    }

    /// The keyspace of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Keyspace> {
        self.keyspaces.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Keyspace> {
        self.keyspaces.values()
    }

    /// The same declarations in one form, whatever the order and comments of the file: equal texts are equal declarations.
    #[must_use]
    pub fn canonical_text(&self) -> String {
        self.iter().map(|keyspace| keyspace.canonical_line() + "\n").collect()
    }

    fn add(&mut self, keyspace: Keyspace) -> Result<(), DeclarationError> {
        let name = keyspace.name.clone();
        if !is_name(&name) {
            return Err(DeclarationError::BadName { name });
        }
        if !keyspace.level.is_supported() {
            return Err(DeclarationError::LevelNotSupported { name, level: keyspace.level });
        }
        if keyspace.durability != Durability::Disk {
            return Err(DeclarationError::DurabilityNotSupported { name, durability: keyspace.durability });
        }
        if name == DEFAULT_KEYSPACE && keyspace.level != Level::Linearizable {
            return Err(DeclarationError::DefaultIsLinearizable { level: keyspace.level });
        }
        if let Some(other) = self.iter().find(|other| other.group() == keyspace.group() && other.name != name)
        {
            return Err(DeclarationError::NamesCollide { name, other: other.name.clone() });
        }
        if self.keyspaces.insert(name.clone(), keyspace).is_some() {
            return Err(DeclarationError::DeclaredTwice { name });
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    starts_with_letter && is_plain && name.len() <= MAX_NAME_LEN_BYTES
}

/// Why a declaration file was refused. Nothing of it is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeclarationError {
    /// It is not TOML, or not of this form; the source names line and field.
    NotADeclaration(toml::de::Error),
    /// A keyspace's name is not one.
    BadName {
        /// As given.
        name: String,
    },
    /// Two declarations have the same name.
    DeclaredTwice {
        /// See above.
        name: String,
    },
    /// Two names lead to the same group.
    NamesCollide {
        /// One.
        name: String,
        /// The other.
        other: String,
    },
    /// This build cannot serve the level.
    LevelNotSupported {
        /// Of which keyspace.
        name: String,
        /// Which.
        level: Level,
    },
    /// This build cannot serve the durability.
    DurabilityNotSupported {
        /// Of which keyspace.
        name: String,
        /// Which.
        durability: Durability,
    },
    /// The default keyspace was declared at another level.
    DefaultIsLinearizable {
        /// Which.
        level: Level,
    },
    /// More than [`MAX_KEYSPACES`], the default one included.
    TooMany,
}

impl fmt::Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeclarationError::NotADeclaration(source) => write!(f, "not a declaration file: {source}"),
            DeclarationError::BadName { name } => write!(
                f,
                "keyspace name {name:?}: use 1 to {MAX_NAME_LEN_BYTES} lower-case letters, digits and '-', from a letter on"
            ),
            DeclarationError::DeclaredTwice { name } => write!(f, "keyspace {name:?} is declared twice"),
            DeclarationError::NamesCollide { name, other } => {
                write!(f, "keyspaces {name:?} and {other:?} fall on the same group: rename one of them")
            }
            DeclarationError::LevelNotSupported { name, level } => {
                let supported: Vec<_> =
                    Level::ALL.into_iter().filter(|l| l.is_supported()).map(Level::name).collect();
                write!(
                    f,
                    "keyspace {name:?}: level {level} is not supported yet; supported are {}",
                    supported.join(" and ")
                )
            }
            DeclarationError::DurabilityNotSupported { name, durability } => write!(
                f,
                "keyspace {name:?}: durability {} is not supported yet; supported is {}",
                durability.name(),
                Durability::Disk.name()
            ),
            DeclarationError::DefaultIsLinearizable { level } => write!(
                f,
                "keyspace {DEFAULT_KEYSPACE:?} is always linearizable, not {level}: declare another keyspace for that"
            ),
            DeclarationError::TooMany => write!(f, "more than {MAX_KEYSPACES} keyspaces"),
        }
    }
}

impl std::error::Error for DeclarationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DeclarationError::NotADeclaration(source) => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_GROUP, Declarations, Level, MAX_KEYSPACES};
    use std::fmt::Write;

    fn check(text: &str, expect: &str) {
        let outcome = match Declarations::parse(text) {
            Ok(declared) => declared.canonical_text(),
            Err(error) => format!("{error}\n"),
        };
        assert_eq!(outcome, expect, "{text}");
    }

    fn one(name: &str, level: &str) -> String {
        format!("[[keyspace]]\nname = {name:?}\nlevel = {level:?}\n")
    }

    #[test]
    fn nothing_declared_is_the_default_keyspace() {
        check("", "default linearizable disk\n");
        assert_eq!(Declarations::parse("").unwrap(), Declarations::default());
        assert_eq!(Declarations::default().get("default").map(super::Keyspace::group), Some(DEFAULT_GROUP));
    }

    #[test]
    fn supported_levels_are_taken_and_sorted_by_name() {
        let both = one("orders", "linearizable") + &one("catalogue", "sequential");
        check(&both, "catalogue sequential disk\ndefault linearizable disk\norders linearizable disk\n");
        check(&one("default", "linearizable"), "default linearizable disk\n");
    }

    #[test]
    fn levels_to_come_are_refused_with_what_there_is() {
        for level in ["causal", "eventual"] {
            let expect = format!(
                "keyspace \"carts\": level {level} is not supported yet; supported are linearizable and sequential\n"
            );
            check(&one("carts", level), &expect);
        }
        check(
            "[[keyspace]]\nname = \"a\"\nlevel = \"linearizable\"\ndurability = \"memory\"\n",
            "keyspace \"a\": durability memory is not supported yet; supported is disk\n",
        );
    }

    #[test]
    fn names_are_checked() {
        let rule = "use 1 to 63 lower-case letters, digits and '-', from a letter on";
        for name in ["", "Orders", "1st", "a b", "a/b", "..", &"a".repeat(64)] {
            check(&one(name, "linearizable"), &format!("keyspace name {name:?}: {rule}\n"));
        }
        let twice = one("orders", "linearizable") + &one("orders", "sequential");
        check(&twice, "keyspace \"orders\" is declared twice\n");
        check(
            &one("default", "sequential"),
            "keyspace \"default\" is always linearizable, not sequential: declare another keyspace for that\n",
        );
    }

    #[test]
    fn what_is_no_declaration_is_refused_by_line() {
        for (text, part) in [
            ("[[keyspace]]\nname = \"a\"\n", "missing field `level`"),
            ("[[keyspace]]\nname = \"a\"\nlevel = \"strong\"\n", "unknown variant `strong`"),
            ("[[keyspace]]\nname = \"a\"\nlevel = \"causal\"\nreplicas = 3\n", "unknown field `replicas`"),
            ("keyspaces = 1\n", "unknown field `keyspaces`"),
            ("[[keyspace", "line 1"),
        ] {
            let error = Declarations::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("not a declaration file: ") && error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn keyspaces_are_bounded_with_the_default_one() {
        let mut text = String::new();
        for number in 1..MAX_KEYSPACES {
            write!(text, "{}", one(&format!("k{number}"), "sequential")).unwrap();
        }
        assert_eq!(Declarations::parse(&text).unwrap().iter().count(), MAX_KEYSPACES);
        text += &one("last", "sequential");
        check(&text, "more than 64 keyspaces\n");
    }

    #[test]
    fn groups_depend_on_the_name_alone() {
        let (a, b) = (one("a", "linearizable"), one("b", "linearizable"));
        let ab = Declarations::parse(&(a.clone() + &b)).unwrap();
        let ba = Declarations::parse(&(b + &a)).unwrap();
        assert_eq!(ab, ba);
        let groups: Vec<_> = ab.iter().map(super::Keyspace::group).collect();
        assert!(
            groups[0] != groups[1] && groups.iter().filter(|group| **group == DEFAULT_GROUP).count() == 1
        );
    }

    #[test]
    fn a_request_may_only_weaken() {
        assert!(Level::Linearizable.allows_read_at(Level::Sequential));
        assert!(!Level::Sequential.allows_read_at(Level::Linearizable));
        assert!(
            Level::Linearizable.allows_conditional_writes() && !Level::Sequential.allows_conditional_writes()
        );
    }
}
