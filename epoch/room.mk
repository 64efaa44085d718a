$(call room,epoch,epoch,base,libgit2)
