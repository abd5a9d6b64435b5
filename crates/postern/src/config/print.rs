//! The configuration as TOML that reads back to the same.

use super::{Config, Relay};
use std::collections::BTreeMap;

impl Config {
    /// Writes every key, those that are not set included.
    pub(crate) fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// Where each key belongs, for those who put it elsewhere, if that is unambiguous: `[milter]`.
/// Tenants repeat the keys of `[policy]`, which is where they are looked for first.
pub(super) fn homes() -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    if let Ok(table) = toml::Table::try_from(complete()) {
        collect(&table, "", &mut places);
    }
    let single = |(key, mut places): (String, Vec<String>)| {
        let place = places.pop().filter(|_| places.is_empty())?;
        Some((key, place))
    };
    places.into_iter().filter_map(single).collect()
}

/// Every section, those included that there need not be.
fn complete() -> Config {
    Config {
        relay: Some(Relay::default()),
        ..Config::default()
    }
}

fn collect(table: &toml::Table, path: &str, places: &mut BTreeMap<String, Vec<String>>) {
    let here = if path.is_empty() {
        "the top of the file"
    } else {
        &format!("[{path}]")
    };
    for (name, value) in table {
        places
            .entry(name.clone())
            .or_default()
            .push(here.to_owned());
        if let Some(inner) = value.as_table() {
            let below = if path.is_empty() {
                name
            } else {
                &format!("{path}.{name}")
            };
            collect(inner, below, places);
        }
    }
}
