//! Many short lists in two allocations: adjacency of a graph, readers of a version, keys of a transaction.
//!
//! **Idea.** The items of all rows lie one after the other, and a second array says where each row starts. Whoever fills the rows is
//! asked twice, first to count and then to store, so that nothing is ever moved.

use crate::limits::{Exhausted, Held};

/// Rows of items.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy + Default> Rows<T> {
    /// `each` names the row of every item, and must do so twice in the same way. Within a row, items keep their order.
    ///
    /// # Errors
    /// If the rows would take more memory than there may be.
    ///
    /// # Panics
    /// With `u32::MAX` items or more: 16 GiB of edges.
    pub fn build(
        count: usize,
        held: &mut Held<'_, '_>,
        each: impl Fn(&mut dyn FnMut(u32, T)),
    ) -> Result<Self, Exhausted> {
        held.grow(4 * (count as u64 + 1))?;
        let mut starts = vec![0_u32; count + 1];
        let mut total = 0_u64;
        each(&mut |row, _| {
            starts[row as usize + 1] += 1;
            total += 1;
        });
        assert!(total < u64::from(u32::MAX), "the rows hold fewer than 2^32 items");
        held.grow(total * size_of::<T>() as u64)?;
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut items = vec![T::default(); total as usize];
        // While filling, a row's start is where its next item goes; afterwards it is where the next row starts.
        each(&mut |row, item| {
            let next = &mut starts[row as usize];
            items[*next as usize] = item;
            *next += 1;
        });
        starts.rotate_right(1);
        starts[0] = 0;
        Ok(Rows { starts, items })
    }

    /// One row.
    pub fn row(&self, at: u32) -> &[T] {
        &self.items[self.starts[at as usize] as usize..self.starts[at as usize + 1] as usize]
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// All items.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl Rows<u32> {
    /// The same edges, backward.
    ///
    /// # Errors
    /// If the rows would take more memory than there may be.
    pub fn reversed(&self, held: &mut Held<'_, '_>) -> Result<Self, Exhausted> {
        Rows::build(self.len(), held, |emit| {
            for from in 0..self.len() as u32 {
                self.row(from).iter().for_each(|to| emit(*to, from));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;
    use crate::limits::Budget;

    #[test]
    fn rows_keep_what_they_are_given_in_order() {
        let budget = Budget::unlimited();
        let mut held = budget.hold(0).unwrap();
        let rows = Rows::build(4, &mut held, |emit| {
            for (row, item) in [(2, 7), (0, 1), (2, 5), (3, 0)] {
                emit(row, item);
            }
        });
        let rows = rows.unwrap();
        let all: Vec<&[u32]> = (0..4).map(|at| rows.row(at)).collect();
        assert_eq!(all, [&[1][..], &[], &[7, 5], &[0]]);

        let back = rows.clone();
        assert_eq!(back.items(), [1, 7, 5, 0]);
    }
}
