//! Changes of single options in a target's URL.

use thiserror::Error;

use super::Target;
use super::error::TargetError;
use super::way::Way;
use crate::text::escape;

/// Why options of a target cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionChangeError {
    /// A text is not one option with its value.
    #[error("'{}' is no option; write KEY=VALUE, with & as %26, such as unit=any", escape(.0))]
    Form(String),
    /// The option that is to be removed is not there.
    #[error("the interface has no option '{}'{}", escape(.key), listed(.present))]
    Missing {
        /// The option.
        key: String,
        /// The options that the target has.
        present: Vec<String>,
    },
    /// The same option is to be set and removed.
    #[error("the option '{}' cannot be set and removed at once", escape(.0))]
    Both(String),
    /// The path of a Unix socket has no options after it.
    #[error("a Unix socket has no options")]
    UnixSocket,
    /// The URL with the changed options is no target.
    #[error(transparent)]
    Target(#[from] TargetError),
}

fn listed(keys: &[String]) -> String {
    match keys {
        [] => "; it has no options".to_owned(),
        keys => format!("; it has {}", keys.join(", ")),
    }
}

impl Target {
    /// Returns the target with other options. Each of `set` is `KEY=VALUE`, as in a URL, and
    /// replaces all values that the option has; an option that has several values stands in `set`
    /// several times. The options of `removed` go.
    ///
    /// # Errors
    /// When an option is not one, is removed and not there, or is both set and removed.
    pub fn with_options(
        &self,
        set: &[String],
        removed: &[String],
    ) -> Result<Self, OptionChangeError> {
        if set.is_empty() && removed.is_empty() {
            return Ok(self.clone());
        }
        if matches!(self.way, Way::Unix { .. }) {
            return Err(OptionChangeError::UnixSocket);
        }
        let url = self.to_string();
        let (address, query) = url.split_once('?').unwrap_or((&url, ""));
        let former: Vec<&str> = query.split('&').filter(|option| !option.is_empty()).collect();
        for option in set {
            if key(option).is_empty() || !option.contains('=') || option.contains('&') {
                return Err(OptionChangeError::Form(option.clone()));
            }
            if removed.iter().any(|removed| removed == key(option)) {
                return Err(OptionChangeError::Both(key(option).to_owned()));
            }
        }
        if let Some(key) = removed.iter().find(|one| former.iter().all(|had| key(had) != **one)) {
            let mut present: Vec<String> = former.iter().map(|had| self::key(had).into()).collect();
            present.dedup();
            return Err(OptionChangeError::Missing { key: key.clone(), present });
        }
        let goes = |had: &&str| {
            let had = key(had);
            removed.iter().any(|one| one == had) || set.iter().any(|one| key(one) == had)
        };
        let mut options: Vec<&str> = former.into_iter().filter(|had| !goes(had)).collect();
        options.extend(set.iter().map(String::as_str));
        let mark = if options.is_empty() { "" } else { "?" };
        Ok(format!("{address}{mark}{}", options.join("&")).parse()?)
    }
}

/// Returns what stands before the `=`.
fn key(option: &str) -> &str {
    option.split_once('=').map_or(option, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(url: &str, set: &[&str], removed: &[&str]) -> Result<String, String> {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let target: Target = url.parse().unwrap();
        let changed = target.with_options(&owned(set), &owned(removed));
        changed.map(|target| target.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_change_of_options_is_refused() {
        let modbus = "modbus://192.168.1.20:502?unit=any";
        for (url, set, removed, says) in [
            (modbus, &["unit"][..], &[][..], "'unit' is no option; write KEY=VALUE"),
            (modbus, &["=any"], &[], "'=any' is no option"),
            (modbus, &["tables=alias&audit=sync"], &[], "with & as %26"),
            (modbus, &["unit=all"], &[], "'unit=all' is no option of such an interface"),
            (modbus, &["rate=1/s"], &[], "no option of such an interface"),
            (modbus, &[], &["tables"], "no option 'tables'; it has unit"),
            (modbus, &["unit=any"], &["unit"], "set and removed at once"),
            ("tcp://192.168.1.20:22", &["unit=any"], &[], "cannot follow"),
            ("tcp://192.168.1.20:22", &[], &["unit"], "it has no options"),
            ("unix:/run/app.sock", &["unit=any"], &[], "a Unix socket has no options"),
        ] {
            let error = change(url, set, removed).unwrap_err();
            assert!(error.contains(says), "{url} {set:?} {removed:?}: {error}");
        }
    }

    #[test]
    fn an_option_replaces_its_values_and_leaves_the_others() {
        let http = "http://192.168.1.9:80/api?rate=10/s&identity=signed";
        let line = "serial:/dev/ttyUSB0?baud=9600&line=show%20*&line=help";
        for (url, set, removed, is) in [
            (http, &["rate=5/m"][..], &[][..], "rate=5/m&identity=signed"),
            (http, &["query=off"], &["identity"], "rate=10/s&query=off"),
            (http, &[], &["identity", "rate"], ""),
            (http, &[], &[], "rate=10/s&identity=signed"),
            (line, &["line=reboot"], &[], "baud=9600&line=reboot"),
            (line, &["line=a", "line=b"], &[], "baud=9600&line=a&line=b"),
            (line, &[], &["line"], "baud=9600"),
        ] {
            let mark = if is.is_empty() { "" } else { "?" };
            let address = url.split('?').next().unwrap();
            let wanted: Target = format!("{address}{mark}{is}").parse().unwrap();
            assert_eq!(change(url, set, removed), Ok(wanted.to_string()), "{set:?} {removed:?}");
        }
    }
}
