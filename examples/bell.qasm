OPENQASM 3.0;
include "stdgates.inc";
// Two qubits in the state (|00> + |11>) / sqrt(2), measured.
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
