"""DICOM files without what identifies a patient; a file of which that is not sure is refused."""
