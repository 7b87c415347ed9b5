//! Arrays whose elements are adapted one at a time, while the body is read.
//!
//! A tree of all elements would take many times the memory of the body. Where every op that looks
//! into an array works on its elements one by one, and no op before it touches the array, each
//! element is opened, adapted, written and forgotten before the next one is read. What an op at
//! fault would have refused first is refused first here too: see [`Arrays::into_faults`].

use super::{
    error::AdaptationError,
    pointer::{Name, Segment},
    renames::Renames,
    scan::{Adapt, Element, Touch},
    steps::{Run, Step, meet},
    tree::Node,
};

/// An array that is adapted while it is read.
#[derive(Debug)]
pub(super) struct Streamed {
    /// The names that lead to it; none: it is the whole body.
    place: Vec<Name>,
    /// What works on its elements, in order.
    turns: Vec<Turn>,
}

/// One step's turn at an element.
#[derive(Debug)]
struct Turn {
    /// Which step of the program.
    step: usize,
    /// The renames that begin with it, if they can be done at once.
    renames: Option<Renames>,
}

/// The arrays that can be adapted while they are read.
pub(super) fn find(steps: &[Step]) -> Vec<Streamed> {
    let mut found: Vec<Streamed> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let Some(place) = step.array() else { continue };
        let names = place.iter().filter_map(Segment::name);
        match found.iter_mut().find(|known| known.place.iter().eq(names.clone())) {
            Some(known) => known.turns.push(Turn::of(index)),
            None => {
                let place = names.cloned().collect();
                found.push(Streamed { place, turns: vec![Turn::of(index)] });
            }
        }
    }
    found.retain(|streamed| streamed.comes_first(steps));
    found.iter_mut().for_each(|streamed| streamed.find_renames(steps));
    found
}

impl Streamed {
    /// Whether adapting the elements before everything else comes to the same.
    ///
    /// No step may touch the array before the last one that works on its elements; behind that one,
    /// the array may be moved, but then nothing may open it where it has come to.
    fn comes_first(&self, steps: &[Step]) -> bool {
        let place: Vec<_> = self.place.iter().cloned().map(Segment::Name).collect();
        let is_touched_by = |index: &usize| {
            self.depth_for(*index).is_none() && steps[*index].places().iter().any(|other| meet(other, &place))
        };
        let behind = self.turns.last().map_or(0, |last| last.step + 1);
        match (0..steps.len()).find(is_touched_by) {
            None => true,
            Some(first) => first >= behind && steps[first..].iter().all(Step::passes_arrays),
        }
    }

    fn find_renames(&mut self, steps: &[Step]) {
        let depth = self.place.len() + 1;
        let pairs: Vec<_> = self.turns.iter().map(|turn| steps[turn.step].renames_one(depth)).collect();
        for (first, turn) in self.turns.iter_mut().enumerate() {
            turn.renames = Renames::of(&pairs[first..]);
        }
    }

    /// Asks for its elements to be handed over as they are read.
    pub(super) fn touch(&self, touch: &mut Touch, index: usize) {
        let place: Vec<_> = self.place.iter().cloned().map(Segment::Name).collect();
        touch.reach(&place).stream(index);
    }

    /// How many names lead to the array, if `step` works on its elements.
    pub(super) fn depth_for(&self, step: usize) -> Option<usize> {
        self.turns.iter().any(|turn| turn.step == step).then_some(self.place.len())
    }
}

impl Turn {
    fn of(step: usize) -> Self {
        Self { step, renames: None }
    }
}

/// One body's arrays, while they are adapted.
pub(super) struct Arrays<'p, 'r, 's> {
    steps: &'p [Step],
    streamed: &'p [Streamed],
    run: &'r mut Run<'s>,
    fates: Vec<Fate>,
}

/// What became of one array.
#[derive(Default)]
struct Fate {
    /// Whether it has been met; a second one of the same name is refused later.
    met: bool,
    changed: bool,
    /// The refusal, and by which step.
    fault: Option<(usize, AdaptationError)>,
}

impl<'p, 'r, 's> Arrays<'p, 'r, 's> {
    pub(super) fn new(steps: &'p [Step], streamed: &'p [Streamed], run: &'r mut Run<'s>) -> Self {
        let fates = streamed.iter().map(|_| Fate::default()).collect();
        Self { steps, streamed, run, fates }
    }

    /// Refusals of elements, at most one of each array, with the step at fault.
    ///
    /// Step by step over the whole body, the first step at fault speaks, and for its first element.
    pub(super) fn into_faults(self) -> Vec<(usize, AdaptationError)> {
        self.fates.into_iter().filter_map(|fate| fate.fault).collect()
    }

    /// Whether an element changed.
    pub(super) fn changed(&self) -> bool {
        self.fates.iter().any(|fate| fate.changed)
    }
}

impl<'p: 'b, 'b> Adapt<'b> for Arrays<'p, '_, '_> {
    const STREAMS: bool = true;

    fn element(&mut self, stream: usize, index: usize, element: &mut Node<'b>) -> Element {
        let (Some(streamed), Some(fate)) = (self.streamed.get(stream), self.fates.get_mut(stream)) else {
            return Element::Same;
        };
        if index == 0 && std::mem::replace(&mut fate.met, true) {
            return Element::Refused;
        }
        // Behind a refusal only an earlier step's would come first.
        let end = fate.fault.as_ref().map_or(usize::MAX, |(step, _)| *step);
        let mut changed = false;
        let mut at = 0;
        while let Some(turn) = streamed.turns.get(at).filter(|turn| turn.step < end) {
            if let Some(renames) = &turn.renames
                && let Some(done) = renames.run(element)
            {
                changed |= done;
                at += renames.count();
                continue;
            }
            at += 1;
            match self.steps[turn.step].run_on_element(element, (&streamed.place, index), self.run) {
                Ok(done) => changed |= done,
                Err(error) => {
                    fate.fault = Some((turn.step, error));
                    return Element::Refused;
                }
            }
        }
        if fate.fault.is_some() {
            return Element::Refused;
        }
        fate.changed |= changed;
        if changed { Element::Changed } else { Element::Same }
    }
}
