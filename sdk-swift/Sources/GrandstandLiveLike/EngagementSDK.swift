import Grandstand
