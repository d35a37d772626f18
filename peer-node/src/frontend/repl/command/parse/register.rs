use protocol::escape::excerpt;

use super::CommandLine;
use crate::frontend::repl::command::{ParseError, RegisterArgs};

/// Parses the arguments of `register`.
pub(super) fn parse_register(line: &CommandLine<'_>) -> Result<RegisterArgs, ParseError> {
    let mut order = RegisterArgs::default();
    let mut words = line.words.iter();
    let mut are_options_over = false;
    while let Some(word) = words.next() {
        let option = (!word.quoted && !are_options_over).then(|| word.text.strip_prefix("--")).flatten();
        let Some(option) = option else {
            order.paths.push(word.text.clone());
            continue;
        };
        let pattern = match option.split_once('=') {
            Some(("exclude", pattern)) => pattern.to_owned(),
            None if option == "exclude" => {
                let word =
                    words.next().ok_or_else(|| line.usage_error("a pattern is missing after --exclude"))?;
                word.text.clone()
            }
            None if option == "yes" => {
                order.is_confirmed = true;
                continue;
            }
            None if option.is_empty() => {
                are_options_over = true;
                continue;
            }
            _ => return Err(line.usage_error(format!("unknown option {}", excerpt(&word.text)))),
        };
        order.exclude.get_or_insert_default().push(pattern);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use crate::frontend::repl::command::{RegisterArgs, ReplCommand, parse};

    fn order(line: &str) -> Result<RegisterArgs, String> {
        match parse(line) {
            Ok(Some(ReplCommand::Register(order))) => Ok(order),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn options_are_distinguished_from_paths() {
        let all = order("register --yes ~/music --exclude *.wav --exclude=*.tmp \"--odd\" -- --yes").unwrap();
        assert_eq!(all.paths, ["~/music", "--odd", "--yes"]);
        assert_eq!(all.exclude.unwrap(), ["*.wav", "*.tmp"]);
        assert!(all.is_confirmed);
        assert_eq!(order("register").unwrap(), RegisterArgs::default());
        assert_eq!(order("register x --exclude ''").unwrap().exclude.unwrap(), [""]);
    }

    #[test]
    fn unknown_options_and_missing_patterns_are_refused() {
        assert!(order("register --no x").unwrap_err().contains("unknown option --no"));
        assert!(order("register x --exclude").unwrap_err().contains("a pattern is missing"));
    }
}
