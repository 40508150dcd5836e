OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[1];
cp(pi/2) q[0], q[1];
h q[0];
measure q[0] -> c[0];
measure q[1] -> c[1];
