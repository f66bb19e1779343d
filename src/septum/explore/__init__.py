"""The explorer: one page on which a trained model is looked at and asked, in a web browser.

    run folders, images --open--> Shown --> panels <--> Desk (one per visitor) <--> address

It is served to this machine alone unless told otherwise, and works without a network.
"""
