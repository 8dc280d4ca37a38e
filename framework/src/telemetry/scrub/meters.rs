use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::metrics::{
    AsyncInstrument, AsyncInstrumentBuilder, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, MeterProvider, ObservableCounter, ObservableGauge, ObservableUpDownCounter,
    SyncInstrument, UpDownCounter,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::Scrubber;

/// Meters whose instruments scrub the attributes of what they record.
///
/// The SDK lets nobody change what is exported. Here, before it is aggregated, series that become equal are one, with
/// the right sums; what is hidden is not even held. Of a callback that observes two of them, the SDK keeps the last.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct ScrubbedMeters {
    provider: SdkMeterProvider,
    scrubber: Arc<Scrubber>,
}

impl ScrubbedMeters {
    pub(in crate::telemetry) fn new(provider: SdkMeterProvider, scrubber: Arc<Scrubber>) -> Self {
        Self { provider, scrubber }
    }
}

impl MeterProvider for ScrubbedMeters {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        let meter = self.provider.meter_with_scope(scope);
        Meter::new(Arc::new(Instruments { meter, scrubber: Arc::clone(&self.scrubber) }))
    }
}

struct Instruments {
    meter: Meter,
    scrubber: Arc<Scrubber>,
}

/// Records what has been scrubbed.
struct Recorder<F> {
    scrubber: Arc<Scrubber>,
    record: F,
}

impl<T, F: Fn(T, &[KeyValue]) + Send + Sync> SyncInstrument<T> for Recorder<F> {
    fn measure(&self, measurement: T, attributes: &[KeyValue]) {
        (self.record)(measurement, &self.scrubber.measured(attributes));
    }
}

/// Takes what a callback observes.
struct Observer<'a, T> {
    scrubber: &'a Scrubber,
    observer: &'a dyn AsyncInstrument<T>,
}

impl<T> AsyncInstrument<T> for Observer<'_, T> {
    fn observe(&self, measurement: T, attributes: &[KeyValue]) {
        self.observer.observe(measurement, &self.scrubber.measured(attributes));
    }
}

impl Scrubber {
    fn measured<'a>(&self, attributes: &'a [KeyValue]) -> Cow<'a, [KeyValue]> {
        let mut measured = Cow::Borrowed(attributes);
        for (place, attribute) in attributes.iter().enumerate() {
            if let Some(changed) = self.value(&attribute.key, &attribute.value) {
                measured.to_mut()[place].value = changed;
            }
        }
        measured
    }
}

/// Makes an instrument of the SDK's as the builder says.
macro_rules! described {
    ($made:expr, $builder:ident) => {{
        let mut made = $made;
        if let Some(description) = $builder.description {
            made = made.with_description(description);
        }
        if let Some(unit) = $builder.unit {
            made = made.with_unit(unit);
        }
        made
    }};
}

macro_rules! instruments {
    ($($method:ident, $builder:ident, $instrument:ident, $number:ty, $record:ident;)+) => {
        $(fn $method(&self, mut builder: $builder<'_, $instrument<$number>>) -> $instrument<$number> {
            let name = std::mem::take(&mut builder.name);
            let made = described!(self.meter.$method(name), builder);
            let made = instruments!(@bounds $builder, made, builder).build();
            $instrument::new(Arc::new(Recorder {
                scrubber: Arc::clone(&self.scrubber),
                record: move |number: $number, attributes: &[KeyValue]| made.$record(number, attributes),
            }))
        })+
    };
    (@bounds HistogramBuilder, $made:ident, $builder:ident) => {
        match $builder.boundaries {
            Some(boundaries) => $made.with_boundaries(boundaries),
            None => $made,
        }
    };
    (@bounds InstrumentBuilder, $made:ident, $builder:ident) => { $made };
}

macro_rules! observables {
    ($($method:ident, $instrument:ident, $number:ty;)+) => {
        $(fn $method(
            &self,
            builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>,
        ) -> $instrument<$number> {
            let mut made = described!(self.meter.$method(builder.name), builder);
            for callback in builder.callbacks {
                let scrubber = Arc::clone(&self.scrubber);
                made = made.with_callback(move |observer| {
                    callback(&Observer { scrubber: &scrubber, observer });
                });
            }
            made.build()
        })+
    };
}

impl InstrumentProvider for Instruments {
    instruments! {
        u64_counter, InstrumentBuilder, Counter, u64, add;
        f64_counter, InstrumentBuilder, Counter, f64, add;
        i64_up_down_counter, InstrumentBuilder, UpDownCounter, i64, add;
        f64_up_down_counter, InstrumentBuilder, UpDownCounter, f64, add;
        u64_gauge, InstrumentBuilder, Gauge, u64, record;
        f64_gauge, InstrumentBuilder, Gauge, f64, record;
        i64_gauge, InstrumentBuilder, Gauge, i64, record;
        f64_histogram, HistogramBuilder, Histogram, f64, record;
        u64_histogram, HistogramBuilder, Histogram, u64, record;
    }

    observables! {
        u64_observable_counter, ObservableCounter, u64;
        f64_observable_counter, ObservableCounter, f64;
        i64_observable_up_down_counter, ObservableUpDownCounter, i64;
        f64_observable_up_down_counter, ObservableUpDownCounter, f64;
        u64_observable_gauge, ObservableGauge, u64;
        i64_observable_gauge, ObservableGauge, i64;
        f64_observable_gauge, ObservableGauge, f64;
    }
}
