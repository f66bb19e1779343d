"""What runs in a child process with limits, since the files that it reads may be hostile.

It imports NumPy, Pillow and the DICOM decoders alone, so that it starts fast and needs little
memory; `septum.data.dicom` starts it, and kills it.
"""
