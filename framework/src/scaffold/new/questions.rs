//! What is asked at a terminal.

use std::io::{BufRead, Write};

use clap::ValueEnum;

use super::super::ScaffoldError;

/// Asks one question after the other; an empty line is the answer that stands in brackets.
pub(super) struct Questions<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl<'a> Questions<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead, out: &'a mut dyn Write) -> Self {
        Self { input, out }
    }

    /// One of several.
    pub(super) fn choose<T: ValueEnum + Default + PartialEq>(
        &mut self,
        question: &str,
    ) -> Result<T, ScaffoldError> {
        let name = |value: &T| {
            value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let names: Vec<_> = T::value_variants().iter().map(name).collect();
        let default = name(&T::default());
        let shown: Vec<_> = names
            .iter()
            .map(|name| if *name == default { format!("[{name}]") } else { name.clone() })
            .collect();
        loop {
            let answer = self.answer(question, &shown.join("/"))?;
            if answer.is_empty() {
                return Ok(T::default());
            }
            if let Ok(value) = T::from_str(&answer, true) {
                return Ok(value);
            }
            writeln!(self.out, "  `{answer}` is none of them: {}", names.join(" or "))?;
        }
    }

    /// Yes or no.
    pub(super) fn agree(&mut self, question: &str, default: bool) -> Result<bool, ScaffoldError> {
        let shown = if default { "[yes]/no" } else { "yes/[no]" };
        loop {
            match self.answer(question, shown)?.to_ascii_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                other => writeln!(self.out, "  `{other}` is neither: yes or no")?,
            }
        }
    }

    fn answer(&mut self, question: &str, shown: &str) -> Result<String, ScaffoldError> {
        write!(self.out, "{question} {shown}: ")?;
        self.out.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(ScaffoldError::Usage(
                "nothing was written, as there was no answer: say it by the options, or take the defaults by --yes"
                    .to_owned(),
            ));
        }
        Ok(line.trim().to_owned())
    }
}
