use std::any::{TypeId, type_name};

/// The last segment of a type's path, without generics: `orders::Place<u8>` is `Place`.
pub(super) fn short_name<T: ?Sized>() -> &'static str {
    let full = type_name::<T>();
    let head = full.split_once('<').map_or(full, |(head, _)| head);
    head.rsplit_once("::").map_or(head, |(_, last)| last)
}

/// What one message type is called in the telemetry of one actor.
pub(super) struct Label {
    id: TypeId,
    pub(super) message: &'static str,
    /// `{Actor} {Message}`.
    pub(super) span: String,
}

impl Label {
    pub(super) fn of<A: 'static, M: 'static>() -> Self {
        let message = short_name::<M>();
        Self { id: TypeId::of::<M>(), message, span: format!("{} {message}", short_name::<A>()) }
    }
}

/// The labels of the message types that an actor has met. An actor knows a handful, so a scan beats a hash.
#[derive(Default)]
pub(super) struct Labels(Vec<Label>);

impl Labels {
    pub(super) fn of<A: 'static, M: 'static>(&mut self) -> &Label {
        let id = TypeId::of::<M>();
        let at = self.0.iter().position(|label| label.id == id).unwrap_or_else(|| {
            self.0.push(Label::of::<A, M>());
            self.0.len() - 1
        });
        &self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place<T>(std::marker::PhantomData<T>);

    #[test]
    fn a_name_is_the_last_segment_without_generics() {
        assert_eq!(short_name::<Place<Vec<String>>>(), "Place");
        assert_eq!(short_name::<std::sync::Arc<Place<u8>>>(), "Arc");
        assert_eq!(short_name::<u8>(), "u8");
    }

    #[test]
    fn two_messages_of_one_actor_keep_their_labels_apart() {
        let mut labels = Labels::default();
        assert_eq!(labels.of::<Label, u8>().span, "Label u8");
        assert_eq!(labels.of::<Label, String>().span, "Label String");
        assert_eq!(labels.of::<Label, u8>().message, "u8");
        assert_eq!(labels.0.len(), 2);
    }
}
