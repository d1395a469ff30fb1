//! The gateway in front of a foreign service with every kind of field, rule and stream.

mod it {
    mod bodies;
    mod cases;
    mod documents;
    mod errors;
    mod foreign;
    mod frames;
    mod metadata;
    mod paths;
    mod queries;
    mod raw;
    mod read_out;
    mod refused;
    mod rules;
    mod streams;
    mod websockets;
    mod world;
}
