# Install rules and find_package(akin): filled in beside the install test.
