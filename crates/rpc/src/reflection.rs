//! gRPC reflection, v1 and v1alpha: `grpcurl` and older tools ask for the latter.

use tonic_reflection::server::{Builder, Error};

use crate::routes::RoutesBuilder;

/// Adds both reflection services for these encoded descriptor sets.
pub fn add(routes: &mut RoutesBuilder, descriptors: &[&[u8]]) -> Result<(), Error> {
    let builder = || {
        // The health service is served too, so a tool should be able to call it by name.
        let health = Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that a tool can print the details of an error.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
        descriptors
            .iter()
            .fold(health, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    routes.add(builder().build_v1()?);
    routes.add(builder().build_v1alpha()?);
    Ok(())
}
