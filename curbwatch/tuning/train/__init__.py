"""How the class weights of ``detectors/vision`` are made; nothing here is needed at run time."""
