"""The compiled fit of angles; `bitket.quantum.variational.search.angles` holds its twin."""
