//! Names of a match and their numbers.

use std::collections::HashMap;
use std::sync::Arc;

use super::Name;

/// Numbers are given in the order of arrival and are shown to nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    list: Vec<Name>,
    numbers: HashMap<Name, u16>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn list(&self) -> &[Name] {
        &self.list
    }

    pub(crate) fn get(&self, number: u16) -> Option<&Name> {
        self.list.get(usize::from(number))
    }

    pub(crate) fn find(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, which is given one if there is room. Readers keep the list that they have.
    pub(crate) fn number(names: &mut Arc<Self>, name: &Name, max: usize) -> Option<u16> {
        if let Some(number) = names.numbers.get(name) {
            return Some(*number);
        }
        let number = u16::try_from(names.len()).ok().filter(|number| usize::from(*number) < max)?;
        let names = Arc::make_mut(names);
        names.list.push(name.clone());
        names.numbers.insert(name.clone(), number);
        Some(number)
    }
}
