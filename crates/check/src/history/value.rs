//! A value that an operation carries: what EDN and JSON can say, reduced to what checkers tell apart.

use std::fmt;
use std::sync::Arc;

/// Any argument or result. Equal values are equal whatever format they came from: vectors and lists are one kind, sets and
/// maps are sorted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Value {
    /// `nil`, `null`.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// An EDN keyword or symbol, without its colon.
    Keyword(Arc<str>),
    /// Text in quotes.
    Text(Arc<str>),
    /// Anything else (a float, a ratio, a tagged value), as it was written. Equal only to the same writing.
    Other(Arc<str>),
    /// A vector or list.
    List(Box<[Value]>),
    /// A set: sorted, without repetitions. Made by [`Value::set`].
    Set(Box<[Value]>),
    /// A map: sorted by key, each key once. Made by [`Value::map`].
    Map(Box<[(Value, Value)]>),
}

impl Value {
    /// Text.
    pub fn text(text: &str) -> Self {
        Value::Text(text.into())
    }

    /// A list of these.
    pub fn list(values: impl IntoIterator<Item = Value>) -> Self {
        Value::List(values.into_iter().collect())
    }

    /// A set of these; repetitions fall away.
    pub fn set(values: impl IntoIterator<Item = Value>) -> Self {
        let mut values: Vec<Value> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Value::Set(values.into())
    }

    /// A map of these pairs; of pairs with equal keys the last one stays.
    pub fn map(pairs: impl IntoIterator<Item = (Value, Value)>) -> Self {
        let pairs: std::collections::BTreeMap<Value, Value> = pairs.into_iter().collect();
        Value::Map(pairs.into_iter().collect())
    }

    /// Whether it is nil.
    pub fn is_nil(&self) -> bool {
        *self == Value::Nil
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The word, if it is a keyword or text: formats without keywords write them as text.
    pub fn as_word(&self) -> Option<&str> {
        match self {
            Value::Keyword(word) | Value::Text(word) => Some(word),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    /// The elements, if it is a list or a set.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) | Value::Set(values) => Some(values),
            _ => None,
        }
    }

    /// Two values, if it is a list of two.
    pub fn as_pair(&self) -> Option<(&Value, &Value)> {
        match self.as_list()? {
            [first, second] => Some((first, second)),
            _ => None,
        }
    }

    /// What this map holds under a word, if it is a map.
    pub fn get(&self, word: &str) -> Option<&Value> {
        match self {
            Value::Map(pairs) => {
                pairs.iter().find(|(key, _)| key.as_word() == Some(word)).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::text(text)
    }
}

/// As EDN writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            for (at, value) in values.iter().enumerate() {
                write!(f, "{}{value}", if at == 0 { "" } else { " " })?;
            }
            Ok(())
        };
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Keyword(word) => write!(f, ":{word}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Other(text) => f.write_str(text),
            Value::List(values) => {
                f.write_str("[")?;
                join(f, values)?;
                f.write_str("]")
            }
            Value::Set(values) => {
                f.write_str("#{")?;
                join(f, values)?;
                f.write_str("}")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn values_are_written_as_edn() {
        let check = |value: Value, expect: &str| assert_eq!(value.to_string(), expect);
        check(Value::Nil, "nil");
        check(Value::list([1.into(), "a b".into(), Value::Keyword("k".into())]), "[1 \"a b\" :k]");
        check(Value::set([2.into(), 1.into(), 2.into()]), "#{1 2}");
        check(
            Value::map([(1.into(), 2.into()), (1.into(), 3.into()), (0.into(), Value::Nil)]),
            "{0 nil, 1 3}",
        );
    }

    #[test]
    fn a_map_is_asked_by_word() {
        let map = Value::map([(Value::Keyword("f".into()), 1.into()), ("g".into(), 2.into())]);
        assert_eq!(map.get("f"), Some(&1.into()));
        assert_eq!(map.get("g"), Some(&2.into()));
        assert_eq!(map.get("h"), None);
    }
}
